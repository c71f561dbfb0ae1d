//! REGISTER: which events to tell of.

use bytes::BytesMut;

use super::{
    Malformed,
    event::Kind,
    malformed,
    primitive::{Reader, StringList, put_string_list},
};

/// A wish to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Of nodes that come and go for good.
    pub topology: bool,
    /// Of nodes that come up and go down.
    pub status: bool,
    /// Of the schema.
    pub schema: bool,
}

impl Register {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not whole, or names an event that nobody knows.
    pub fn read(reader: &mut Reader) -> Result<Register, Malformed> {
        let mut register = Register::default();
        for name in StringList::read(reader)?.iter() {
            match Kind::from_name(&name) {
                Some(Kind::Topology) => register.topology = true,
                Some(Kind::Status) => register.status = true,
                Some(Kind::Schema) => register.schema = true,
                None => return Err(malformed("event type")),
            }
        }
        Ok(register)
    }

    /// Whether events of this kind are wished for.
    pub fn wants(self, kind: Kind) -> bool {
        match kind {
            Kind::Topology => self.topology,
            Kind::Status => self.status,
            Kind::Schema => self.schema,
        }
    }

    /// Both wishes.
    #[must_use]
    pub fn and(self, other: Register) -> Register {
        Register {
            topology: self.topology || other.topology,
            status: self.status || other.status,
            schema: self.schema || other.schema,
        }
    }

    /// Writes the body.
    pub fn put(self, out: &mut BytesMut) {
        let kinds = [Kind::Topology, Kind::Status, Kind::Schema];
        let names: Vec<&str> =
            kinds.into_iter().filter(|it| self.wants(*it)).map(Kind::name).collect();
        put_string_list(out, names.into_iter());
    }
}
