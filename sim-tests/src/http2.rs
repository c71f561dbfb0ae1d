//! Just enough HTTP/2 to see the gRPC messages in a stream of bytes, and to make frames of them.
//!
//! ```text
//! connection  = [preface 24 bytes] frame*
//! frame       = length u24 · kind u8 · flags u8 · stream u32 · payload
//! DATA (kind 0) payload, over frames = message*
//! message     = compressed u8 · length u32 · protobuf
//! ```

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

const HEADER: usize = 9;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const PADDED: u8 = 0x8;
const MESSAGE_HEADER: usize = 5;

/// The largest payload that every peer takes.
const PAYLOAD_MAX: usize = 16 << 10;

/// One direction of a connection, cut into pieces.
#[derive(Default)]
pub struct Cutter {
    bytes: BytesMut,
    begun: bool,
    /// What each stream has of a message that goes on in the next frame.
    partial: BTreeMap<u32, BytesMut>,
}

/// A part of a connection that is passed on, or not, as a whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Nothing to look into.
    Opaque(Bytes),
    /// A DATA frame in which messages end.
    Messages {
        /// It holds these and nothing else: it can be made anew with others.
        whole: bool,
        /// The frame as it came.
        frame: Bytes,
        /// Its stream.
        stream: u32,
        /// Its flags.
        flags: u8,
        /// The protobuf bytes of each message.
        messages: Vec<Bytes>,
    },
}

impl Cutter {
    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece that is complete.
    pub fn next_piece(&mut self) -> Option<Piece> {
        if !self.begun {
            let len = self.bytes.len().min(PREFACE.len());
            if self.bytes[..len] != PREFACE[..len] {
                self.begun = true;
            } else if len == PREFACE.len() {
                self.begun = true;
                return Some(Piece::Opaque(self.bytes.split_to(len).freeze()));
            } else {
                return None;
            }
        }
        let header = self.bytes.get(..HEADER)?;
        let len =
            usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let (kind, flags) = (header[3], header[4]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        if self.bytes.len() < HEADER + len {
            return None;
        }
        let frame = self.bytes.split_to(HEADER + len).freeze();
        if kind != DATA || flags & PADDED != 0 {
            return Some(Piece::Opaque(frame));
        }
        let partial = self.partial.entry(stream).or_default();
        let begins = partial.is_empty();
        partial.extend_from_slice(&frame[HEADER..]);
        let messages = whole_messages(partial);
        let whole = begins && partial.is_empty();
        Some(if messages.is_empty() {
            Piece::Opaque(frame)
        } else {
            Piece::Messages { whole, frame, stream, flags, messages }
        })
    }
}

fn whole_messages(bytes: &mut BytesMut) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while let Some(header) = bytes.get(..MESSAGE_HEADER) {
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if bytes.len() < MESSAGE_HEADER + len {
            break;
        }
        bytes.advance(MESSAGE_HEADER);
        messages.push(bytes.split_to(len).freeze());
    }
    messages
}

/// Appends DATA frames that hold `messages`; the last has these flags. A message that does not fit
/// into one frame goes over several.
pub fn put_messages(out: &mut BytesMut, stream: u32, flags: u8, messages: &[Bytes]) {
    let mut payload = BytesMut::new();
    for message in messages {
        payload.put_u8(0);
        payload.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        payload.put_slice(message);
    }
    loop {
        let part = payload.split_to(payload.len().min(PAYLOAD_MAX));
        let last = payload.is_empty();
        out.put_uint(part.len() as u64, 3);
        out.put_u8(DATA);
        out.put_u8(if last { flags } else { 0 });
        out.put_u32(stream);
        out.put_slice(&part);
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(cutter: &mut Cutter, bytes: &[u8]) -> Vec<Piece> {
        cutter.push(bytes);
        std::iter::from_fn(|| cutter.next_piece()).collect()
    }

    #[test]
    fn what_is_put_is_cut_again_however_it_arrives() {
        let messages = [Bytes::from_static(b"one"), Bytes::from_static(b""), vec![7; 300].into()];
        let mut bytes = BytesMut::from(PREFACE);
        put_messages(&mut bytes, 1, 0, &messages);
        for step in [1, 2, 7, bytes.len()] {
            let mut cutter = Cutter::default();
            let mut got = Vec::new();
            for chunk in bytes.chunks(step) {
                got.extend(pieces(&mut cutter, chunk));
            }
            assert_eq!(got[0], Piece::Opaque(Bytes::from_static(PREFACE)));
            let Piece::Messages { whole: true, messages: cut, stream: 1, flags: 0, .. } = &got[1]
            else {
                panic!("{got:?}");
            };
            assert_eq!(cut, &messages);
            assert_eq!(got.len(), 2);
        }
    }

    #[test]
    fn a_message_over_two_frames_is_seen_at_its_end() {
        let mut bytes = BytesMut::new();
        put_messages(&mut bytes, 1, 0, &[vec![1; PAYLOAD_MAX].into()]);
        put_messages(&mut bytes, 1, 0, &[Bytes::from_static(b"small")]);
        let got = pieces(&mut Cutter::default(), &bytes);
        assert!(matches!(
            got[..],
            [
                Piece::Opaque(_),
                Piece::Messages { whole: false, .. },
                Piece::Messages { whole: true, .. }
            ]
        ));
    }
}
