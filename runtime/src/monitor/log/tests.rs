use std::fs;
use std::path::Path;

use super::*;

fn log(path: &Path, max_size: Option<u64>, max_file: u32) -> Log {
    let form = LogForm::Json { attributes: Default::default() };
    let path = path.to_owned();
    Log::open(LogConfig::File { form, path, max_size, max_file, compress: false }).unwrap()
}

/// (text, stream, time) of the entries of a file.
fn entries(path: &Path) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| entry[name].as_str().unwrap().to_owned();
            let order = format!(
                "{{\"log\":{},\"stream\":\"{}\",\"time\":\"{}\"}}",
                entry["log"],
                field("stream"),
                field("time")
            );
            assert_eq!(line, order);
            (field("log"), field("stream"), field("time"))
        })
        .collect()
}

#[test]
fn lines_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x-json.log");
    let mut log = log(&path, None, 1);
    log.output(Stream::Stdout, b"one\ntw");
    log.output(Stream::Stderr, b"err");
    log.output(Stream::Stdout, b"o\n\nend");
    log.end(Stream::Stdout);
    log.end(Stream::Stderr);
    log.flush();
    let texts: Vec<_> =
        entries(&path).into_iter().map(|(text, stream, _)| format!("{stream} {text}")).collect();
    assert_eq!(texts, ["stdout one\n", "stdout two\n", "stdout \n", "stdout end", "stderr err"]);
}

#[test]
fn long_lines_are_split_as_docker_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x-json.log");
    let mut log = log(&path, None, 1);
    let mut output = vec![b'a'; 2 * LINE_MAX + 10];
    output.push(b'\n');
    output.extend(vec![b'b'; LINE_MAX]);
    output.push(b'\n');
    output.extend(vec![b'c'; LINE_MAX - 1]);
    output.push(b'\n');
    for piece in output.chunks(1000) {
        log.output(Stream::Stdout, piece);
    }
    log.flush();
    let entries = entries(&path);
    let shapes: Vec<_> =
        entries.iter().map(|(text, ..)| (text.len(), text.ends_with('\n'))).collect();
    let expected = [
        (LINE_MAX, false),
        (LINE_MAX, false),
        (11, true),
        (LINE_MAX, false),
        (1, true),
        (LINE_MAX, true),
    ];
    assert_eq!(shapes, expected);
    assert!(entries[0].2 == entries[1].2 && entries[1].2 == entries[2].2);
}

#[test]
fn pieces_of_any_size_give_the_same_entries() {
    let directory = tempfile::tempdir().unwrap();
    let mut output = Vec::new();
    for length in [0, 1, 100, LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, 3 * LINE_MAX, 7] {
        output.extend("ü".repeat(length / 2).into_bytes());
        output.extend(vec![b'x'; length % 2]);
        output.push(b'\n');
    }
    output.extend(b"end");
    let mut all = Vec::new();
    for size in [1, 7, 4096, LINE_MAX, output.len()] {
        let path = directory.path().join(format!("{size}"));
        let mut log = log(&path, None, 1);
        output.chunks(size).for_each(|piece| log.output(Stream::Stdout, piece));
        log.end(Stream::Stdout);
        log.flush();
        all.push(entries(&path).into_iter().map(|(text, ..)| text).collect::<Vec<_>>());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(all[0].concat().len(), output.len());
}

#[test]
fn rotation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x-json.log");
    let mut kept = log(&path, Some(100), 3);
    for number in 0..9 {
        kept.output(Stream::Stdout, format!("{number}\n").as_bytes());
    }
    kept.flush();
    let texts = |name: &str| -> String {
        entries(&directory.path().join(name)).into_iter().map(|(text, ..)| text).collect()
    };
    assert_eq!(
        [texts("x-json.log"), texts("x-json.log.1"), texts("x-json.log.2")],
        ["8\n", "6\n7\n", "4\n5\n"]
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);

    let path = directory.path().join("single");
    let mut single = log(&path, Some(100), 1);
    for number in 0..5 {
        single.output(Stream::Stdout, format!("{number}\n").as_bytes());
    }
    single.flush();
    assert_eq!(texts("single"), "4\n");
}
