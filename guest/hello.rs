//! The program of the embedded image `jocker/hello`: a greeting, and under other names a handful of
//! commands to look around in a container with.

use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::process::{Command, ExitCode};

/// The names that it answers to; the image has a link in `/bin` for each.
const COMMANDS: &str = "cat echo env false hello hostname id ls ps pwd sh sleep true";

/// Does what `name` says.
pub fn main(name: &str) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(name, &args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(name: &str, args: &[String]) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    match name {
        "true" => return Ok(0),
        "false" => return Ok(1),
        "sh" => {
            drop(out);
            return shell(args);
        }
        "cat" => cat(args, &mut out)?,
        "echo" => writeln!(out, "{}", args.join(" "))?,
        "env" => {
            for (key, value) in std::env::vars_os() {
                writeln!(out, "{}={}", key.display(), value.display())?;
            }
        }
        "hostname" => out.write_all(&std::fs::read("/proc/sys/kernel/hostname")?)?,
        "id" => id(&mut out)?,
        "ls" => ls(args, &mut out)?,
        "ps" => ps(&mut out)?,
        "pwd" => writeln!(out, "{}", std::env::current_dir()?.display())?,
        "sleep" => sleep(args)?,
        _ => greet(&mut out)?,
    }
    Ok(0)
}

fn greet(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "Hello from a container made by Jocker.\n\n\
         It has processes, mounts, a network and a host name of its own; look around:\n  \
         docker run -it --rm jocker/hello sh\n\n\
         Commands in here: {COMMANDS}"
    )
}

fn cat(args: &[String], out: &mut impl Write) -> io::Result<()> {
    if args.is_empty() {
        io::copy(&mut io::stdin().lock(), out)?;
    }
    for path in args {
        let mut file = std::fs::File::open(path)
            .map_err(|error| io::Error::other(format!("{path}: {error}")))?;
        io::copy(&mut file, out)?;
    }
    Ok(())
}

fn id(out: &mut impl Write) -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    for key in ["Uid:", "Gid:", "Groups:", "CapEff:", "Seccomp:"] {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or(key);
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn ls(args: &[String], out: &mut impl Write) -> io::Result<()> {
    let path = args.iter().find(|arg| !arg.starts_with('-')).map_or(".", String::as_str);
    let mut names = std::fs::read_dir(path)
        .map_err(|error| io::Error::other(format!("{path}: {error}")))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        writeln!(out, "{}", name.display())?;
    }
    Ok(())
}

fn ps(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:>5} COMMAND", "PID")?;
    let mut pids: Vec<u32> = std::fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    for pid in pids {
        // A process that ended since the listing has no file any more.
        if let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
            writeln!(out, "{pid:>5} {line}")?;
        }
    }
    Ok(())
}

fn sleep(args: &[String]) -> io::Result<()> {
    let text = args.first().map_or("", String::as_str);
    let time = text
        .parse()
        .ok()
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| io::Error::other(format!("not a number of seconds: {text:?}")))?;
    std::thread::sleep(time);
    Ok(())
}

/// Words and no more: no quotes, pipes or variables. `-c LINE` runs one line.
fn shell(args: &[String]) -> io::Result<u8> {
    if let [flag, line, ..] = args
        && flag == "-c"
    {
        let code = line.split(';').try_fold(0, |code, part| shell_line(part, code));
        return Ok(match code {
            ControlFlow::Continue(code) | ControlFlow::Break(code) => code,
        });
    }
    let prompt = io::IsTerminal::is_terminal(&io::stdin());
    let mut code = 0;
    let mut line = String::new();
    loop {
        if prompt {
            let here = std::env::current_dir().unwrap_or_default();
            print!("{} # ", here.display());
            io::stdout().flush()?;
        }
        line.clear();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(code);
        }
        match shell_line(&line, code) {
            ControlFlow::Continue(next) => code = next,
            ControlFlow::Break(code) => return Ok(code),
        }
    }
}

/// Runs one line: goes on with its exit code, or leaves the shell with it. `code` is the last line's.
fn shell_line(line: &str, code: u8) -> ControlFlow<u8, u8> {
    let mut words = line.split_whitespace();
    match words.next() {
        None => ControlFlow::Continue(code),
        Some("exit") => {
            ControlFlow::Break(words.next().and_then(|n| n.parse().ok()).unwrap_or(code))
        }
        Some("cd") => {
            ControlFlow::Continue(match std::env::set_current_dir(words.next().unwrap_or("/")) {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("cd: {error}");
                    1
                }
            })
        }
        Some(command) => ControlFlow::Continue(match Command::new(command).args(words).status() {
            Ok(status) => status.code().unwrap_or(128) as u8,
            Err(_) => {
                eprintln!("sh: {command}: not found");
                127
            }
        }),
    }
}
