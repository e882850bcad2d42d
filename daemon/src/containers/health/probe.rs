//! One probe: an exec, its output up to a limit, its end within a time.

use std::sync::Arc;
use std::time::Duration;

use api_spec::container::{HealthResult, StringList};
use api_spec::exec::ExecConfig;
use api_spec::stdcopy::Demultiplexer;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::judge::Check;
use crate::containers::Service;
use crate::containers::error::Error;
use crate::containers::exec::{Exec, ExecStart};

/// Probes that are being started at once, in all containers; more wait. Those that run are not counted.
const STARTS_MAX: usize = 8;
/// Bytes of output that are kept.
const OUTPUT_MAX: usize = 4096;
/// Stands for what is not kept.
const CUT: &str = "...";
/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// The exit code of a probe that has none.
const NO_EXIT_CODE: i64 = -1;

/// See [`STARTS_MAX`].
#[derive(Debug)]
pub(in crate::containers) struct Slots(Semaphore);

impl Default for Slots {
    fn default() -> Self {
        Self(Semaphore::new(STARTS_MAX))
    }
}

/// The exec of a probe. Nothing of it stays when the probe is over or given up.
struct Probe {
    service: Arc<Service>,
    exec: Arc<Exec>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.exec.kill();
        self.service.execs.forget(&self.exec.id);
    }
}

/// Output that has come so far.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    cut: bool,
}

/// Probes the container with this id.
pub(super) async fn run(service: Arc<Service>, id: String, check: Check) -> HealthResult {
    let slot = service.probes.0.acquire().await;
    let start = jiff::Timestamp::now().to_string();
    let begun = begin(&service, &id, &check).await;
    drop(slot);
    let (exit_code, output) = match begun {
        Ok((probe, stream)) => finish(&probe.exec, stream, check.timeout).await,
        Err(error) => (NO_EXIT_CODE, error.to_string()),
    };
    HealthResult { start, end: jiff::Timestamp::now().to_string(), exit_code, output }
}

async fn begin(
    service: &Arc<Service>,
    id: &str,
    check: &Check,
) -> Result<(Probe, Option<UnixStream>), Error> {
    let container = service.resolve(id)?;
    let config = ExecConfig {
        cmd: Some(StringList(check.command.clone())),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecConfig::default()
    };
    let exec = service.create_exec(&container, container.id(), config)?;
    let probe = Probe { service: Arc::clone(service), exec };
    let how = ExecStart { detach: false, console_size: None };
    let stream = service.start_exec(&probe.exec, how).await?;
    Ok((probe, stream))
}

async fn finish(exec: &Exec, stream: Option<UnixStream>, limit: Duration) -> (i64, String) {
    let mut output = Output::default();
    let end = async {
        if let Some(stream) = stream {
            output.read(stream).await;
        }
        exec.ended().await;
    };
    let ended = tokio::time::timeout(limit, end).await;
    let text = output.text();
    match (ended, exec.exit_code()) {
        (Ok(()), Some(code)) => (i64::from(code), text),
        _ if text.is_empty() => (NO_EXIT_CODE, too_long(limit)),
        _ => (NO_EXIT_CODE, format!("{}: {text}", too_long(limit))),
    }
}

fn too_long(limit: Duration) -> String {
    format!("Health check exceeded timeout ({})", go_duration(limit))
}

impl Output {
    async fn read(&mut self, mut stream: UnixStream) {
        let mut frames = Demultiplexer::default();
        let mut buffer = [0; CHUNK];
        // An error is the end of the output: there is nobody to tell.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            if frames.feed(&buffer[..read], |_, piece| self.take(piece)).is_err() {
                return;
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let room = OUTPUT_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        self.cut |= piece.len() > room;
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        format!("{text}{}", if self.cut { CUT } else { "" })
    }
}

/// As Go writes it: `500ms`, `1.5s`, `1m30s`, `2h0m0s`.
fn go_duration(duration: Duration) -> String {
    let part = |whole: u64, rest: u32, digits: usize, unit: &str| {
        let fraction = format!("{rest:0digits$}");
        match fraction.trim_end_matches('0') {
            "" => format!("{whole}{unit}"),
            fraction => format!("{whole}.{fraction}{unit}"),
        }
    };
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        return part(u64::from(nanoseconds / 1_000_000), nanoseconds % 1_000_000, 6, "ms");
    }
    let last = part(seconds % 60, nanoseconds, 9, "s");
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => last,
        (0, minutes) => format!("{minutes}m{last}"),
        (hours, minutes) => format!("{hours}h{minutes}m{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (milliseconds, text) in
            [(500, "500ms"), (1500, "1.5s"), (90_000, "1m30s"), (7_200_000, "2h0m0s")]
        {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(go_duration(Duration::from_micros(1500)), "1.5ms");
    }

    #[test]
    fn output_is_cut() {
        let mut output = Output::default();
        output.take(&[b'a'; OUTPUT_MAX - 1]);
        output.take(b"b");
        assert_eq!(output.text().len(), OUTPUT_MAX);
        output.take(b"c");
        assert!(output.text().ends_with("ab..."));
    }
}
