//! A command on a pseudo terminal of its own session.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::patience::eventually;

/// How long to wait for output or the end.
const LIMIT: Duration = Duration::from_secs(30);

/// The running command and the other end of its terminal.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    child: Child,
    blocks: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    /// Starts `command` as the leader of a session whose terminal has this size.
    #[track_caller]
    pub fn start(command: &Command, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let master = master.expect("a terminal");
        grantpt(&master).expect("its owner");
        unlockpt(&master).expect("its lock");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("a path");
        let slave = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let master = File::from(master);
        set_size(&master, rows, columns);
        // setsid(1) makes the session; the terminal on its stdin becomes the controlling one.
        let mut leader = Command::new("setsid");
        leader.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        leader.stdin(slave.try_clone().expect("its other end"));
        leader.stdout(slave.try_clone().expect("its other end")).stderr(Stdio::from(slave));
        let child = leader.spawn().expect("setsid is executed");
        drop(leader);
        let (sender, blocks) = channel();
        let mut reader = master.try_clone().expect("the terminal");
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut block) {
                if sender.send(block[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { master, child, blocks, seen: String::new() }
    }

    /// Types something.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typed");
    }

    /// Changes the terminal's size.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.master, rows, columns);
    }

    /// Reads until the output so far contains `wanted`, forgets what was before its end, and gives
    /// back all that was read.
    #[track_caller]
    pub fn read_until(&mut self, wanted: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.seen.find(wanted) {
                let rest = self.seen.split_off(at + wanted.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.blocks.recv_timeout(left) {
                Ok(block) => self.seen += &String::from_utf8_lossy(&block),
                Err(error @ (RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) => {
                    panic!("no {wanted:?} ({error}) in {:?}", self.seen)
                }
            }
        }
    }

    /// Waits for the end; the exit code and the output that was not read yet.
    #[track_caller]
    pub fn finish(mut self) -> (i32, String) {
        let child = &mut self.child;
        let status = eventually("the end of the command", LIMIT, || {
            child.try_wait().expect("state of the child")
        });
        while let Ok(block) = self.blocks.recv_timeout(Duration::from_millis(200)) {
            self.seen += &String::from_utf8_lossy(&block);
        }
        (status.code().unwrap_or(-1), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[track_caller]
fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("the terminal's size");
}
