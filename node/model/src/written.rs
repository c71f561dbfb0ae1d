//! Rows as they were written: found in an encoded mutation without taking it apart.
//!
//! Whoever takes in many rows and is asked for few of them keeps them in the bytes that they came in, and
//! makes rows of those that are asked for. A look over the bytes accepts nothing that
//! [`Mutation::decode`](crate::Mutation::decode) does not: what it does not know, or what is more than rows, it
//! leaves to that.

use std::ops::Range;

use bytes::Bytes;

use crate::cell::TTL_MAX;
use crate::codec::{Cursor, Reader};
use crate::encoding::{self, cell_flag, part, row_flag};
use crate::key::{Clustering, PARTITION_KEY_BYTES_MAX};
use crate::mutation;
use crate::row::Row;
use crate::schema::TableId;

mod pack;

pub use pack::Packer;

/// An encoded mutation that holds nothing but rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Of which table.
    pub table: TableId,
    /// Where the bytes of the partition key lie.
    pub key: Range<usize>,
    /// Where the rows begin: they go on to the end.
    pub rows: usize,
    /// The oldest timestamp of anything in it, microseconds.
    pub timestamp_min: i64,
}

/// Where a row lies among the rows of an encoded mutation, and what it takes to read it there. A memtable has one for each row:
/// there, what tells its entries apart takes the four bytes that aligning this would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Place {
    /// Where its clustering begins, with the length before it; behind `Overview::rows`.
    at: u32,
    /// The timestamp before it, microseconds, from which its own are told.
    time: i64,
}

/// Looks over an encoded mutation, and appends the places of its rows to `places`. `None`, with `places` as
/// they were, if it holds anything beside rows, or is not what [`Mutation::encode`] writes:
/// [`Mutation::decode`] knows which.
///
/// [`Mutation::encode`]: crate::Mutation::encode
/// [`Mutation::decode`]: crate::Mutation::decode
pub fn look_over(bytes: &[u8], places: &mut Vec<Place>) -> Option<Overview> {
    let before = places.len();
    let overview = Cursor { input: bytes, at: 0 }.mutation(places);
    if overview.is_none() {
        places.truncate(before);
    }
    overview
}

impl Place {
    /// The same place where these rows lie `bytes` further behind.
    #[must_use]
    pub fn behind(self, bytes: u32) -> Place {
        Place { at: self.at + bytes, ..self }
    }

    /// Where the row begins, in the bytes from `Overview::rows` on.
    pub fn offset(self) -> usize {
        self.at as usize
    }

    /// The clustering of the row, in the bytes from `Overview::rows` on.
    ///
    /// # Panics
    /// When they are others.
    pub fn clustering(self, rows: &[u8]) -> &[u8] {
        let mut cursor = Cursor { input: rows, at: self.at as usize };
        cursor.bytes().expect("a row lies where it was found")
    }

    /// The row, in the bytes from `Overview::rows` on, which it shares.
    ///
    /// # Panics
    /// When they are others.
    pub fn read(self, rows: &Bytes) -> (Clustering, Row) {
        let mut reader = Reader::starting_at(rows.clone(), self.at as usize);
        encoding::read_row_after(&mut reader, self.time).expect("a row was whole when it was found")
    }
}

impl Cursor<'_> {
    fn mutation(mut self, places: &mut Vec<Place>) -> Option<Overview> {
        u32::try_from(self.input.len()).ok()?;
        if self.u8()? != mutation::VERSION {
            return None;
        }
        let table = TableId(uuid::Uuid::from_slice(self.raw(16)?).ok()?);
        let key_len = self.bytes()?.len();
        let key = self.at - key_len..self.at;
        if PARTITION_KEY_BYTES_MAX < key_len || self.u8()? != part::ROWS {
            return None;
        }
        let count = self.uint()?;
        let rows = self.at;
        let (mut time, mut oldest) = (0, i64::MAX);
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let place = Place { at: (self.at - rows) as u32, time };
            let clustering = self.bytes()?;
            if last.is_some_and(|last| clustering <= last) {
                return None;
            }
            last = Some(clustering);
            oldest = oldest.min(self.row(&mut time)?);
            places.push(place);
        }
        let is_whole = last.is_some() && self.at == self.input.len();
        is_whole.then_some(Overview { table, key, rows, timestamp_min: oldest })
    }

    /// The oldest timestamp of a row, which its own deletion must not shadow.
    fn row(&mut self, time: &mut i64) -> Option<i64> {
        let flags = self.u8()?;
        let marker = flags & (row_flag::MARKER | row_flag::MARKER_EXPIRES);
        // Columns with elements are left to `decode`.
        let known = row_flag::ALL & !row_flag::ELEMENTS;
        if flags == 0 || flags & !known != 0 || marker == row_flag::MARKER_EXPIRES {
            return None;
        }
        let mut oldest = i64::MAX;
        let mut step = |cursor: &mut Cursor| {
            *time = time.wrapping_add(cursor.int()?);
            Some(*time)
        };
        if flags & row_flag::MARKER != 0 {
            oldest = step(self)?;
            if flags & row_flag::MARKER_EXPIRES != 0 {
                self.expiry()?;
            }
        }
        let mut deletion = None;
        if flags & row_flag::DELETION != 0 {
            deletion = Some(step(self)?);
            self.int()?;
        }
        if flags & row_flag::CELLS != 0 {
            let count = self.uint().filter(|it| *it > 0)?;
            let mut next = 0_u64;
            for _ in 0..count {
                let column = self.uint()?.checked_add(next)?;
                next = u64::from(u32::try_from(column).ok()?) + 1;
                oldest = oldest.min(self.cell(time)?);
            }
        }
        let is_shadowed = deletion.is_some_and(|it| oldest <= it);
        (!is_shadowed).then(|| deletion.map_or(oldest, |it| it.min(oldest)))
    }

    /// The timestamp of a cell.
    fn cell(&mut self, time: &mut i64) -> Option<i64> {
        let flags = self.u8()?;
        if flags & cell_flag::TIMESTAMP != 0 {
            *time = time.wrapping_add(self.int()?);
        }
        match flags & !cell_flag::TIMESTAMP {
            0 => {
                self.bytes()?;
            }
            cell_flag::EXPIRING => {
                self.expiry()?;
                self.bytes()?;
            }
            cell_flag::DEAD => {
                self.int()?;
            }
            _ => return None,
        }
        Some(*time)
    }

    fn expiry(&mut self) -> Option<()> {
        let ttl = self.uint()?;
        self.int()?;
        (1..=u64::from(TTL_MAX)).contains(&ttl).then_some(())
    }
}

#[cfg(test)]
mod tests;
