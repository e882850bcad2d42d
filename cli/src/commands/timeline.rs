//! `jocker timeline`: how long the steps of a container's last start took, and of its newest exec.

use api_spec::container::Timeline;

use super::{Failure, Outcome};
use crate::args::TimelineArgs;
use crate::client::{Client, Path};
use crate::render::{json, table};

pub(super) async fn timeline(client: &Client, args: &TimelineArgs) -> Outcome {
    let path = match args.exec {
        true => Path::exec(&args.id, "/timeline"),
        false => Path::container(&args.id, "/timeline"),
    };
    if args.format.as_deref() == Some("json") {
        let answer = client.get_bytes(&path).await?;
        let text = String::from_utf8_lossy(&answer);
        return super::print(&(json::indent(&text, 0) + "\n"));
    }
    if let Some(other) = &args.format {
        return Err(Failure::Message(format!("unknown format: {other:?}; json is known")));
    }
    let answer: Timeline = client.get(&path).await?;
    super::print(&render(&answer))
}

fn render(timeline: &Timeline) -> String {
    let heading = ["DONE (us)", "TOOK (us)", "PROCESS", "STEP"].map(str::to_owned).to_vec();
    let steps = timeline.steps.iter().map(|step| {
        let number = |number: u64| format!("{number:>9}");
        vec![number(step.done), number(step.took), step.process.clone(), step.name.clone()]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(steps).collect();
    let mut text = table::align(&rows);
    if let Some(exec) = &timeline.exec {
        text.push_str(&format!("\nexec {}\n{}", exec.id, render(exec)));
    }
    text
}

#[cfg(test)]
mod tests {
    use api_spec::container::TimelineStep;

    use super::*;

    #[test]
    fn steps_are_lines() {
        let step = |done, took, name: &str| TimelineStep {
            process: "init".to_owned(),
            name: name.to_owned(),
            done,
            took,
        };
        let steps = vec![step(0, 0, "begin"), step(1200, 1200, "end")];
        let timeline = Timeline { steps, ..Timeline::default() };
        let lines = "DONE (us)   TOOK (us)   PROCESS   STEP\n        0           0   init      begin\n     1200        1200   init      end\n";
        assert_eq!(render(&timeline), lines);
    }
}
