//! A registry in this process, with faults on demand: `GET /v2/`, manifests, blobs with ranges,
//! basic and token authorisation. It listens on a free port of 127.0.0.1 and ends with the value.

mod serve;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::image::{Image, digest};
use crate::isolation::isolate;

/// Something that goes wrong when a path that contains `on` is asked for.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Part of the path.
    pub on: String,
    /// How often still.
    pub times: u32,
    /// What happens.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum FaultKind {
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// One byte of the body is another.
    Flip,
    /// This status instead.
    Status(u16),
    /// The body comes in pieces of 16 KiB with a pause of so many milliseconds between them.
    Slow(u64),
    /// The connection stays open and nothing comes for so many milliseconds, then it ends.
    Silent(u64),
}

/// What a client must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    Open,
    /// `user:password` by basic authorisation.
    Basic(String),
    /// `user:password` at the token endpoint, then the token.
    Token(String),
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// GET or HEAD.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: HashMap<String, String>,
}

/// The running registry.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// By digest: media type, bytes.
    content: HashMap<String, (String, Arc<Vec<u8>>)>,
    /// `name:tag` to digest.
    tags: HashMap<String, String>,
    /// By path: JSON.
    answers: HashMap<String, String>,
    faults: Vec<Fault>,
    guard: Guard,
    asked: Vec<Asked>,
    ranges: bool,
}

impl Registry {
    /// Starts one without content.
    pub fn start() -> Self {
        Self::guarded(Guard::Open)
    }

    /// Starts one that wants credentials.
    pub fn guarded(guard: Guard) -> Self {
        isolate();
        Self::listening(TcpListener::bind("127.0.0.1:0").expect("a free port"), guard)
    }

    /// Starts one on a listener of the caller's.
    pub fn listening(listener: TcpListener, guard: Guard) -> Self {
        let address = listener.local_addr().expect("its address");
        let state = State {
            content: HashMap::new(),
            tags: HashMap::new(),
            answers: HashMap::new(),
            faults: Vec::new(),
            guard,
            asked: Vec::new(),
            ranges: true,
        };
        let state = Arc::new(Mutex::new(state));
        serve::spawn(listener, Arc::clone(&state), address);
        Self { address, state }
    }

    /// Serves the same content on one more listener.
    pub fn also_on(&self, listener: TcpListener) {
        let address = listener.local_addr().expect("its address");
        serve::spawn(listener, Arc::clone(&self.state), address);
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Serves `image` as `name:tag`; gives the whole reference.
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        self.add(image);
        self.push_bytes(name, tag, image.media_type, &image.manifest)
    }

    /// Serves an image's blobs and manifest by digest alone.
    pub fn add(&self, image: &Image) {
        for layer in &image.layers {
            self.push_blob(&layer.digest, &layer.blob);
        }
        self.push_blob(&digest(&image.config), &image.config);
        let mut state = self.lock();
        let manifest = (image.media_type.to_owned(), Arc::new(image.manifest.clone()));
        state.content.insert(image.manifest_digest(), manifest);
    }

    /// Serves any bytes as the manifest `name:tag`; gives the whole reference.
    pub fn push_bytes(&self, name: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let mut state = self.lock();
        let entry = (media_type.to_owned(), Arc::new(bytes.to_vec()));
        state.content.insert(digest(bytes), entry);
        state.tags.insert(format!("{name}:{tag}"), digest(bytes));
        format!("{}/{name}:{tag}", self.host())
    }

    /// Serves any bytes under `digest`, true or not.
    pub fn push_blob(&self, digest: &str, bytes: &[u8]) {
        let entry = ("application/octet-stream".to_owned(), Arc::new(bytes.to_vec()));
        self.lock().content.insert(digest.to_owned(), entry);
    }

    /// Answers requests for a path with JSON.
    pub fn answer(&self, path: &str, json: &str) {
        self.lock().answers.insert(path.to_owned(), json.to_owned());
    }

    /// Lets requests for paths that contain `on` fail `times` times.
    pub fn fail(&self, on: &str, times: u32, kind: FaultKind) {
        self.lock().faults.push(Fault { on: on.to_owned(), times, kind });
    }

    /// No more faults.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// From now on `Range` is not honoured.
    pub fn without_ranges(&self) {
        self.lock().ranges = false;
    }

    /// All requests whose path contains `part`.
    pub fn asked(&self, part: &str) -> Vec<Asked> {
        self.lock().asked.iter().filter(|asked| asked.path.contains(part)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the registry's state")
    }
}
