//! BATCH: several writes in one request.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Malformed, Version, malformed,
    params::{Params, Values},
    primitive::{Reader, Text, put_long_string, put_short_bytes},
};

/// What a batch promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// All of it or nothing.
    Logged,
    /// All of it or nothing, of each partition alone.
    Unlogged,
    /// Counters.
    Counter,
}

/// One statement of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Which.
    pub source: Source,
    /// Values for its markers.
    pub values: Values,
}

/// Which statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This text.
    Text(Text),
    /// What was prepared under this id.
    Prepared(Bytes),
}

/// Several writes, seen to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What it promises.
    pub kind: Kind,
    /// What goes with all of them.
    pub params: Params,
    count: u16,
    statements: Bytes,
}

impl Batch {
    /// A batch of these.
    pub fn of(kind: Kind, statements: &[Statement], params: Params) -> Batch {
        let mut out = BytesMut::new();
        for statement in statements {
            match &statement.source {
                Source::Text(text) => {
                    out.put_u8(0);
                    put_long_string(&mut out, text);
                }
                Source::Prepared(id) => {
                    out.put_u8(1);
                    put_short_bytes(&mut out, id);
                }
            }
            statement.values.put(&mut out);
        }
        let count = u16::try_from(statements.len()).unwrap_or(u16::MAX);
        Batch { kind, params, count, statements: out.freeze() }
    }

    /// Reads the body. Values with names are refused: their flag comes after them, so that nobody
    /// can know what they are.
    ///
    /// # Errors
    /// It is not whole, or of a kind that nobody knows.
    pub fn read(reader: &mut Reader, version: Version) -> Result<Batch, Malformed> {
        let kind = match reader.byte("kind of batch")? {
            0 => Kind::Logged,
            1 => Kind::Unlogged,
            2 => Kind::Counter,
            _ => return Err(malformed("kind of batch")),
        };
        let count = reader.short("number of statements")?;
        let bytes = reader.rest().clone();
        for _ in 0..count {
            read_statement(reader)?;
        }
        let length = bytes.len() - reader.rest().len();
        let (params, are_named) = Params::read_batch(reader, version)?;
        if are_named {
            return Err(malformed("batch: its values cannot have names"));
        }
        Ok(Batch { kind, params, count, statements: bytes.slice(..length) })
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its statements in order.
    pub fn statements(&self) -> impl Iterator<Item = Statement> {
        let mut reader = Reader::new(self.statements.clone());
        // Seen to be whole: it ends after as many as there are.
        (0..self.count).map_while(move |_| read_statement(&mut reader).ok())
    }

    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        out.put_u8(match self.kind {
            Kind::Logged => 0,
            Kind::Unlogged => 1,
            Kind::Counter => 2,
        });
        out.put_u16(self.count);
        out.put_slice(&self.statements);
        self.params.put_batch(version, out);
    }
}

fn read_statement(reader: &mut Reader) -> Result<Statement, Malformed> {
    let source = match reader.byte("kind of statement")? {
        0 => Source::Text(reader.long_string("statement")?),
        1 => Source::Prepared(reader.short_bytes("prepared id")?),
        _ => return Err(malformed("kind of statement")),
    };
    Ok(Statement { source, values: Values::read(reader, false)? })
}
