//! The form of an output on its way to a client: as the monitor has it, or with the frames of
//! stdcopy put around it or taken away. A client of exec says which it wants, terminal or not.

use api_spec::stdcopy;

/// Bytes of a frame's head.
const HEAD_BYTES: usize = 8;

/// What becomes of the bytes.
#[derive(Debug)]
pub(crate) enum Form {
    /// Nothing.
    AsIs,
    /// Each piece becomes a frame of stdout.
    Framed,
    /// Only what is in the frames is left.
    Bare(Unframing),
}

/// Where in the frames we are.
#[derive(Debug, Default)]
pub(crate) struct Unframing {
    head: Vec<u8>,
    left: usize,
}

impl Form {
    /// The form for a client that takes frames or not, of an output that has them or not.
    pub(crate) fn between(framed: bool, wanted: bool) -> Self {
        match (framed, wanted) {
            (false, true) => Self::Framed,
            (true, false) => Self::Bare(Unframing::default()),
            _ => Self::AsIs,
        }
    }

    /// A piece of the output in this form.
    pub(super) fn apply(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::AsIs => piece.to_vec(),
            Self::Framed => {
                let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
                let mut framed = stdcopy::header(stdcopy::Stream::Stdout, length).to_vec();
                framed.extend_from_slice(piece);
                framed
            }
            Self::Bare(state) => state.take(piece),
        }
    }
}

impl Unframing {
    fn take(&mut self, mut piece: &[u8]) -> Vec<u8> {
        let mut bare = Vec::new();
        while !piece.is_empty() {
            if self.left == 0 {
                let missing = HEAD_BYTES - self.head.len();
                let (head, rest) = piece.split_at(missing.min(piece.len()));
                self.head.extend_from_slice(head);
                piece = rest;
                if let [_, _, _, _, a, b, c, d] = self.head[..] {
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.head.clear();
                }
            }
            let (payload, rest) = piece.split_at(self.left.min(piece.len()));
            bare.extend_from_slice(payload);
            self.left -= payload.len();
            piece = rest;
        }
        bare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_and_go_however_they_are_cut() {
        let mut framed = Form::between(false, true).apply(b"hello");
        framed.extend(Form::Framed.apply(b""));
        framed.extend(Form::Framed.apply(b" world"));
        for size in 1..framed.len() {
            let mut form = Form::between(true, false);
            let bare: Vec<u8> = framed.chunks(size).flat_map(|piece| form.apply(piece)).collect();
            assert_eq!(bare, b"hello world", "in pieces of {size}");
        }
        assert_eq!(Form::between(true, true).apply(&framed), framed);
    }
}
