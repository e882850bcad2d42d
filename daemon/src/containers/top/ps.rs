//! Other tables than the usual one: by the host's `ps`, of which the container's rows are taken.

use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};

use api_spec::container::TopResponse;

use crate::containers::error::Error;

/// Most that is read of what `ps` prints, in bytes.
const OUTPUT_MAX: u64 = 16 << 20;
/// Most that is read of its complaints, in bytes.
const COMPLAINT_MAX: u64 = 4096;

pub(super) fn table(arguments: &str, pids: &[i32]) -> Result<TopResponse, Error> {
    let text = run(arguments)?;
    parse(&text, pids)
}

fn run(arguments: &str) -> Result<String, Error> {
    let mut command = Command::new("ps");
    command.args(arguments.split_ascii_whitespace()).stdin(Stdio::null());
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Unsupported {
            field: "ps_args",
            what: format!("{arguments:?}; the host has no ps, and only -ef needs none"),
        },
        _ => Error::Internal(format!("ps: {error}")),
    })?;
    let (mut output, mut complaint) = (Vec::new(), Vec::new());
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT_MAX).read_to_end(&mut output).map_err(Error::internal)?;
    }
    if let Some(stderr) = child.stderr.take() {
        stderr.take(COMPLAINT_MAX).read_to_end(&mut complaint).map_err(Error::internal)?;
    }
    let status = child.wait().map_err(Error::internal)?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        let first = complaint.lines().find(|line| !line.is_empty()).unwrap_or("it failed");
        return Err(Error::Internal(format!("ps: {first}")));
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Rows whose `PID` is among `pids`. The last column takes the rest of its line.
fn parse(text: &str, pids: &[i32]) -> Result<TopResponse, Error> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines
        .next()
        .map(|line| line.split_ascii_whitespace().map(str::to_owned).collect())
        .unwrap_or_default();
    let Some(pid_column) = titles.iter().position(|title| title == "PID") else {
        return Err(Error::Internal("Couldn't find PID field in ps output".to_owned()));
    };
    let mut processes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let pid = words.get(pid_column).and_then(|word| word.parse::<i32>().ok());
        if !pid.is_some_and(|pid| pids.contains(&pid)) {
            continue;
        }
        let last = titles.len() - 1;
        let mut row: Vec<String> = words.iter().take(last).map(|word| (*word).to_owned()).collect();
        row.push(words.get(last..).unwrap_or_default().join(" "));
        processes.push(row);
    }
    Ok(TopResponse { processes, titles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_container_are_taken() {
        let text = "  PID TTY  CMD\n    1 ?    init\n   12 ?    sh -c a  b\n   13 ?\n";
        let table = parse(text, &[12, 13]).unwrap();
        assert_eq!(table.titles, ["PID", "TTY", "CMD"]);
        assert_eq!(table.processes, [["12", "?", "sh -c a b"], ["13", "?", ""]]);
        assert!(parse("COMMAND\nsh\n", &[1]).is_err());
        assert!(parse("", &[1]).is_err());
    }
}
