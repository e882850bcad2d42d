use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;

use super::*;

fn log(path: &Path, max_size: Option<u64>, max_file: u32) -> Log {
    let form = LogForm::Json { attributes: Default::default() };
    let path = path.to_owned();
    let (compress, buffer) = (false, None);
    Log::open(LogConfig::File { form, path, max_size, max_file, compress, buffer }).unwrap()
}

/// One that nothing waits for, with a buffer of so many bytes.
fn hurried(path: &Path, max_size: Option<u64>, max_file: u32, buffer: usize) -> Log {
    let form = LogForm::Json { attributes: Default::default() };
    let (path, compress, buffer) = (path.to_owned(), false, Some(buffer));
    Log::open(LogConfig::File { form, path, max_size, max_file, compress, buffer }).unwrap()
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
    for apart in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-json.log");
        let mut kept = match apart {
            false => log(&path, Some(100), 3),
            true => hurried(&path, Some(100), 3, 1_000_000),
        };
        for number in 0..9 {
            kept.output(Stream::Stdout, format!("{number}\n").as_bytes());
        }
        kept.close();
        let texts = |name: &str| -> String {
            entries(&directory.path().join(name)).into_iter().map(|(text, ..)| text).collect()
        };
        assert_eq!(
            [texts("x-json.log"), texts("x-json.log.1"), texts("x-json.log.2")],
            ["8\n", "6\n7\n", "4\n5\n"]
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }
}

#[test]
fn rotation_without_older_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("single");
    let mut single = log(&path, Some(100), 1);
    for number in 0..5 {
        single.output(Stream::Stdout, format!("{number}\n").as_bytes());
    }
    single.flush();
    let texts: Vec<_> = entries(&path).into_iter().map(|(text, ..)| text).collect();
    assert_eq!(texts, ["4\n"]);
}

/// Runs `work` in a thread that sees a small file system at `at`, which nobody else sees.
fn with_file_system(at: &Path, options: &str, work: impl FnOnce() + Send + 'static) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let (at, options) = (at.to_owned(), options.to_owned());
    let thread = std::thread::spawn(move || {
        let none: Option<&str> = None;
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(none, &at, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).unwrap();
        work();
    });
    thread.join().unwrap();
}

#[test]
fn a_full_disk_is_told_and_tears_no_entry() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_owned();
    with_file_system(directory.path(), "size=64k", move || {
        let (path, filler) = (at.join("x-json.log"), at.join("filler"));
        let mut log = log(&path, None, 1);
        log.output(Stream::Stdout, b"first\n");
        log.flush();
        assert_eq!(log.news(), None);
        // What is left of the last page takes a part of what is written next.
        assert!(fs::write(&filler, [0; 65536]).is_err());
        let long = format!("{}\n", "y".repeat(9000));
        log.output(Stream::Stdout, long.as_bytes());
        log.flush();
        let begun = log.news().unwrap();
        assert!(!begun.over && begun.lost > 9000 && begun.error.contains("No space"), "{begun:?}");
        log.output(Stream::Stdout, long.as_bytes());
        log.flush();
        assert_eq!(log.news(), None);
        fs::remove_file(filler).unwrap();
        log.output(Stream::Stdout, b"last\n");
        log.flush();
        let over = log.news().unwrap();
        assert!(over.over && over.lost > 18_000, "{over:?}");
        let texts: Vec<_> = entries(&path).into_iter().map(|(text, ..)| text).collect();
        assert_eq!(texts, ["first\n", "last\n"]);
    });
}

/// Calls `work` until there is news.
fn news_after(log: &mut Log, mut work: impl FnMut(&mut Log)) -> Trouble {
    for _ in 0..500 {
        work(log);
        log.flush();
        if let Some(news) = log.news() {
            return news;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no news in five seconds");
}

#[test]
fn a_full_disk_is_told_by_who_writes_apart() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_owned();
    with_file_system(directory.path(), "size=64k", move || {
        let (path, filler) = (at.join("x-json.log"), at.join("filler"));
        let mut log = hurried(&path, None, 1, 100_000);
        fs::write(&filler, [0; 65536]).unwrap();
        let more = |log: &mut Log| {
            log.output(Stream::Stdout, format!("{}\n", "y".repeat(9000)).as_bytes())
        };
        let begun = news_after(&mut log, more);
        assert!(!begun.over && begun.error.contains("No space"), "{begun:?}");
        fs::remove_file(filler).unwrap();
        let over = news_after(&mut log, |log| log.output(Stream::Stdout, b"again\n"));
        assert!(over.over && over.lost >= 9000, "{over:?}");
        log.output(Stream::Stdout, b"last\n");
        log.close();
        assert_eq!(entries(&path).last().unwrap().0, "last\n");
    });
}

/// A pipe stands for a file on a disk that blocks: who opens it holds it open, so that writing waits for reading.
#[test]
fn a_disk_that_blocks_stops_nobody_who_may_not_wait() {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x-json.log");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let options =
        fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).clone();
    let mut disk = options.open(&path).unwrap();
    let mut log = hurried(&path, None, 1, 20_000);
    let begin = Instant::now();
    for number in 0..30_000 {
        log.output(Stream::Stdout, format!("{number}\n").as_bytes());
        if number == 20_000 {
            // By then the child has written as much as it can.
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    log.flush();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let begun = log.news().unwrap();
    assert!(!begun.over && begun.error.contains("buffer of 20000 bytes"), "{begun:?}");
    let mut read = Vec::new();
    let mut drain = |disk: &mut fs::File| {
        let end = disk.read_to_end(&mut read).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::WouldBlock);
    };
    while log.next_flush().is_some() {
        drain(&mut disk);
        log.flush();
    }
    let over = news_after(&mut log, |log| {
        drain(&mut disk);
        log.output(Stream::Stdout, b"again\n");
    });
    assert!(over.over && over.lost > 100_000, "{over:?}");
    // Longer than the child's last entries may take.
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| log.close());
        while !closing.is_finished() {
            drain(&mut disk);
        }
    });
    drain(&mut disk);
    let text = String::from_utf8(read).unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            entry["log"].as_str().unwrap().trim_end().to_owned()
        })
        .collect();
    let kept = lines.iter().take_while(|line| *line != "again").count();
    let numbers: Vec<usize> = lines[..kept].iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers[..500] == (0..500).collect::<Vec<_>>() && numbers.is_sorted());
    assert!(kept < 15_000, "{kept}");
}

#[test]
fn the_journal_gets_entries_with_their_fields() {
    with_file_system(Path::new("/run"), "size=64k", || {
        fs::create_dir_all("/run/systemd/journal").unwrap();
        let journal = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
        let fields = vec![("CONTAINER_NAME".to_owned(), "web".to_owned())];
        let mut log = Log::open(LogConfig::Journal { fields, buffer: Some(100) }).unwrap();
        log.output(Stream::Stdout, b"one\n");
        log.output(Stream::Stderr, &[b'x'; LINE_MAX + 5]);
        log.end(Stream::Stderr);
        let next = || {
            let mut datagram = vec![0; 2 * LINE_MAX];
            let length = journal.recv(&mut datagram).unwrap();
            let text = String::from_utf8(datagram[..length].to_vec()).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let has = |lines: &[String], wanted: &str| lines.iter().any(|line| line == wanted);
        let first = next();
        for wanted in ["MESSAGE=one", "PRIORITY=6", "CONTAINER_NAME=web"] {
            assert!(has(&first, wanted), "{wanted}: {first:?}");
        }
        assert!(!first.iter().any(|line| line.contains("PARTIAL")), "{first:?}");
        let (second, third) = (next(), next());
        for (lines, ordinal) in [(&second, 1), (&third, 2)] {
            assert!(has(lines, "PRIORITY=3") && has(lines, "CONTAINER_PARTIAL_LAST=false"));
            assert!(has(lines, "CONTAINER_PARTIAL_MESSAGE=true"));
            assert!(has(lines, &format!("CONTAINER_PARTIAL_ORDINAL={ordinal}")), "{lines:?}");
        }
        assert!(has(&third, "MESSAGE=xxxxx"));
        let id = |lines: &[String]| {
            lines.iter().find(|line| line.starts_with("CONTAINER_PARTIAL_ID=")).cloned()
        };
        assert_eq!(id(&second), id(&third));
        drop(journal);
        log.output(Stream::Stdout, b"nobody listens\n");
        assert!(log.news().is_some_and(|trouble| !trouble.over));
    });
}

#[test]
fn what_the_journal_does_not_take_waits_in_a_bounded_buffer() {
    with_file_system(Path::new("/run"), "size=64k", || {
        fs::create_dir_all("/run/systemd/journal").unwrap();
        let journal = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
        journal.set_nonblocking(true).unwrap();
        let mut log =
            Log::open(LogConfig::Journal { fields: Vec::new(), buffer: Some(4000) }).unwrap();
        for number in 0..500 {
            log.output(Stream::Stdout, format!("{number}\n").as_bytes());
        }
        log.flush();
        let begun = log.news().unwrap();
        assert!(!begun.over && begun.error.contains("buffer of 4000 bytes"), "{begun:?}");
        assert!(log.next_flush().is_some());
        let read = || {
            let (mut numbers, mut datagram) = (Vec::new(), vec![0; 4096]);
            while let Ok(length) = journal.recv(&mut datagram) {
                let text = String::from_utf8_lossy(&datagram[..length]);
                let line = text.lines().find_map(|line| line.strip_prefix("MESSAGE="));
                numbers.push(line.unwrap().parse::<usize>().unwrap());
            }
            numbers
        };
        let mut numbers = Vec::new();
        while log.next_flush().is_some() {
            numbers.extend(read());
            log.flush();
        }
        numbers.extend(read());
        // Docker keeps the older ones.
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
        assert!((20..450).contains(&numbers.len()), "{numbers:?}");
        log.output(Stream::Stdout, b"500\n");
        let over = log.news().unwrap();
        assert!(over.over && over.lost > 100, "{over:?}");
        assert_eq!(read(), [500]);
        log.close();
        assert_eq!(log.news(), None);
    });
}

/// A piece of output, or a moment at which the monitor waits and what is collected is written.
fn moments() -> impl Strategy<Value = Vec<(bool, Option<Vec<u8>>)>> {
    let text = prop_oneof![
        4 => prop::collection::vec(prop_oneof![3 => b'a'..=b'z', 1 => Just(b'\n')], 0..40),
        1 => (LINE_MAX - 3..2 * LINE_MAX + 3).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec((any::<bool>(), prop::option::weighted(0.8, text)), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However the output comes in pieces, and whenever it is written: both streams are in the log, whole and once.
    #[test]
    fn nothing_is_lost_or_twice(moments in moments(), rotates in any::<bool>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-json.log");
        let mut log = log(&path, rotates.then_some(4096), 1000);
        let mut said = [Vec::new(), Vec::new()];
        for (stderr, piece) in moments {
            let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
            match piece {
                Some(piece) => {
                    log.output(stream, &piece);
                    said[index(stream)].extend(piece);
                }
                None => log.flush(),
            }
        }
        log.end(Stream::Stdout);
        log.end(Stream::Stderr);
        log.flush();
        prop_assert_eq!(log.news(), None);
        let older = (1..1000).map(|number| directory.path().join(format!("x-json.log.{number}")));
        let mut files: Vec<_> = older.take_while(|file| file.exists()).collect();
        files.reverse();
        files.push(path);
        let mut kept = [String::new(), String::new()];
        for (text, stream, _) in files.iter().flat_map(|file| entries(file)) {
            kept[usize::from(stream == "stderr")] += &text;
        }
        prop_assert_eq!(kept.map(String::into_bytes), said);
    }
}
