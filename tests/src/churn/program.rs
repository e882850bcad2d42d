//! What runs in the containers: programs whose output tells how they went, so that a container's log and exit code
//! can be proved true afterwards.
//!
//! ```text
//! begin 0b6c…     a name for the run
//! 0 … 14          each number once, in order
//! end 3           only if the program ended by itself, or by SIGTERM
//! ```

use serde_json::{Value, json};

use super::random::Random;

/// The exit code after SIGTERM.
const TERMINATED: i64 = 33;
/// The exit code of a program that was killed.
pub const KILLED: i64 = 137;
/// The exit code of a program that there is not.
const MISSING: i64 = 127;

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Counts up to `lines` and exits with `code`.
    Counts { lines: u64, code: i64 },
    /// Counts until it is stopped.
    Endless,
    /// Says nothing and does not hear SIGTERM.
    Deaf,
    /// Cannot be executed.
    Missing,
}

impl Program {
    /// Any of them.
    pub fn any(random: &mut Random) -> Self {
        match random.below(10) {
            0..4 => Self::Counts { lines: random.below(60), code: random.pick(&[0, 0, 1, 3, 77]) },
            4..7 => Self::Endless,
            7..9 => Self::Deaf,
            _ => Self::Missing,
        }
    }

    /// The command to create a container with.
    pub fn command(&self) -> Value {
        let (lines, code) = match self {
            Self::Counts { lines, code } => (*lines, *code),
            Self::Endless => (u64::MAX >> 2, 0),
            Self::Deaf => return json!(["sleep", "100000"]),
            Self::Missing => return json!(["/no/such/program"]),
        };
        // A second SIGTERM between the last word and the exit would have it said twice.
        let script = format!(
            "end() {{ trap '' TERM; echo end $1; exit $1; }}; \
             read name < /proc/sys/kernel/random/uuid; echo begin $name; \
             trap 'end {TERMINATED}' TERM; \
             i=0; while [ $i -lt {lines} ]; do echo $i; echo $i > /last; i=$((i+1)); \
             [ $((i%5)) = 0 ] && sleep 0.1; done; end {code}"
        );
        json!(["sh", "-c", script])
    }

    /// What is wrong with the exit code of a container whose output was this. `killed`: somebody asked for what may
    /// kill it.
    pub fn judge_exit(&self, code: i64, output: &str, killed: bool) -> Option<String> {
        let last = output.lines().last().unwrap_or_default();
        let said = last.strip_prefix("end ").and_then(|code| code.parse().ok());
        let expected = match self {
            Self::Missing => vec![MISSING],
            Self::Deaf => vec![KILLED],
            _ if killed => said.into_iter().chain([KILLED]).collect(),
            _ => said.into_iter().collect(),
        };
        (!expected.contains(&code)).then(|| {
            format!("exit code {code}, not one of {expected:?}; the last line is {last:?}")
        })
    }

    /// What is wrong with the output of all its runs. `written`: the last number that the program wrote to its file
    /// `/last`, behind the same line.
    pub fn judge_output(&self, output: &str, written: Option<u64>) -> Option<String> {
        let (mut expected, mut before) = (None, "");
        for (at, line) in output.lines().enumerate() {
            let fits = match (line.split_once(' '), line.parse::<u64>()) {
                (Some(("begin", _)), _) => {
                    expected = Some(0);
                    true
                }
                (Some(("end", _)), _) => expected.take().is_some(),
                (_, Ok(number)) => {
                    let fits = expected == Some(number);
                    expected = Some(number + 1);
                    fits
                }
                _ => false,
            };
            if !fits {
                return Some(format!(
                    "line {at} is {line:?} after {before:?}, expected is {expected:?}"
                ));
            }
            before = line;
        }
        // A run that has just begun may not have written anew yet.
        let in_last = output.rsplit("begin").next().and_then(last_number).filter(|last| *last > 0);
        let counted = in_last.or_else(|| output.lines().filter_map(|line| line.parse().ok()).max());
        (written > counted)
            .then(|| format!("the program wrote {written:?}, the log has {counted:?}"))
    }
}

fn last_number(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_judged() {
        let program = Program::Counts { lines: 2, code: 3 };
        let whole = "begin a\n0\n1\nend 3\n";
        assert_eq!(program.judge_output(&format!("{whole}begin b\n0\n"), Some(0)), None);
        for wrong in
            ["0\n", "begin a\n1\n", "begin a\n0\n0\n", "begin a\n0\n2\n", "begin a\nend 3\n1\n"]
        {
            assert!(program.judge_output(wrong, None).is_some(), "{wrong}");
        }
        assert!(program.judge_output("begin a\n0\n", Some(1)).is_some());
    }

    #[test]
    fn exit_codes_are_judged() {
        let program = Program::Counts { lines: 2, code: 3 };
        assert_eq!(program.judge_exit(3, "begin a\nend 3\n", false), None);
        assert_eq!(program.judge_exit(137, "begin a\n0\n", true), None);
        assert!(program.judge_exit(137, "begin a\n0\n", false).is_some());
        assert!(program.judge_exit(0, "begin a\nend 3\n", true).is_some());
        assert!(Program::Deaf.judge_exit(0, "", true).is_some());
    }
}
