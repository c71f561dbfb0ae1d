//! From answers to the bytes of a connection.

use bytes::{BufMut, BytesMut};

use super::{
    Version,
    compression::Compression,
    header::{FLAG_COMPRESSED, FLAG_TRACING, FLAG_WARNING, HEADER_BYTES, Header},
    inbound::Framing,
    primitive::put_string_list,
    response::Response,
    segment::{self, PAYLOAD_BYTES_MAX, Packing},
};

/// Bodies shorter than this are not worth the time that compressing them takes.
const COMPRESSED_BYTES_MIN: usize = 512;

/// Room that a connection keeps between answers, bytes.
const SEGMENT_BYTES_KEPT: usize = 4096;

/// An answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where it is waited for; -1 for events.
    pub stream: i16,
    /// The id of its trace, if one was asked for and made.
    pub trace: Option<[u8; 16]>,
    /// What the user should know although it worked.
    pub warnings: Vec<String>,
    /// It.
    pub response: Response,
}

impl Answer {
    /// With nothing beside it.
    pub fn new(stream: i16, response: Response) -> Answer {
        Answer { stream, trace: None, warnings: Vec::new(), response }
    }
}

/// Writes the answers of one connection.
#[derive(Debug)]
pub struct Outbound {
    framing: Framing,
    /// Envelopes of the segment that is filled at the moment.
    segment: BytesMut,
}

impl Default for Outbound {
    fn default() -> Outbound {
        Outbound { framing: Framing::Bare(None), segment: BytesMut::new() }
    }
}

impl Outbound {
    /// Whatever follows goes like this.
    pub fn switch(&mut self, framing: Framing) {
        debug_assert!(self.segment.is_empty(), "finish first");
        self.framing = framing;
    }

    /// Adds an answer. Some of it may stay here until [`finish`](Self::finish).
    pub fn push(&mut self, answer: &Answer, version: Version, out: &mut BytesMut) {
        match self.framing {
            Framing::Bare(compression) => {
                // An envelope of version 5 is bare only before STARTUP was answered.
                let compression = compression.filter(|_| version == Version::V4);
                put_envelope(answer, version, compression, out);
            }
            Framing::Segments(packing) => {
                let begin = self.segment.len();
                put_envelope(answer, version, None, &mut self.segment);
                if self.segment.len() <= PAYLOAD_BYTES_MAX {
                    return;
                }
                let last = self.segment.split_off(begin);
                self.flush(packing, out);
                if last.len() <= PAYLOAD_BYTES_MAX {
                    self.segment = last;
                } else {
                    for part in last.chunks(PAYLOAD_BYTES_MAX) {
                        segment::write(part, false, packing, out);
                    }
                }
            }
        }
    }

    /// Everything that was pushed is in `out` afterwards.
    pub fn finish(&mut self, out: &mut BytesMut) {
        if let Framing::Segments(packing) = self.framing {
            self.flush(packing, out);
        }
    }

    fn flush(&mut self, packing: Packing, out: &mut BytesMut) {
        if !self.segment.is_empty() {
            segment::write(&self.segment, true, packing, out);
            self.segment.clear();
            // What a large answer took is not kept for an idle connection.
            if SEGMENT_BYTES_KEPT < self.segment.capacity() {
                self.segment = BytesMut::new();
            }
        }
    }
}

fn put_envelope(
    answer: &Answer,
    version: Version,
    compression: Option<Compression>,
    out: &mut BytesMut,
) {
    let begin = out.len();
    out.put_bytes(0, HEADER_BYTES);
    let mut flags = 0;
    if let Some(trace) = &answer.trace {
        flags |= FLAG_TRACING;
        out.put_slice(trace);
    }
    if !answer.warnings.is_empty() {
        flags |= FLAG_WARNING;
        put_string_list(out, answer.warnings.iter().map(String::as_str));
    }
    answer.response.put(version, out);
    if let Some(compression) = compression
        && COMPRESSED_BYTES_MIN <= out.len() - begin - HEADER_BYTES
    {
        let body = out.split_off(begin + HEADER_BYTES);
        flags |= FLAG_COMPRESSED;
        compression.compress(&body, out);
    }
    let length = i32::try_from(out.len() - begin - HEADER_BYTES).unwrap_or(i32::MAX);
    let opcode = answer.response.opcode().number();
    let header = Header { version, flags, stream: answer.stream, opcode, length };
    let mut bytes = BytesMut::with_capacity(HEADER_BYTES);
    header.put_answer(&mut bytes);
    out[begin..begin + HEADER_BYTES].copy_from_slice(&bytes);
}
