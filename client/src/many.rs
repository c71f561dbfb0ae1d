//! Many rows for one prepared write, packed as they travel.

use bytes::{BufMut as _, Bytes, BytesMut};
use cql_lite::code::Code;
use proto::client as wire;
use wire::bound_value::Kind;

use crate::bind::{Bound, Values};
use crate::error::Error;
use crate::prepared::Prepared;
use crate::request::{Action, Request};
use crate::session::Session;

/// A prepared write and its rows.
#[derive(Clone)]
pub(crate) struct Many {
    pub(crate) prepared: Prepared,
    /// Row by row: a length each, below zero for null and unset, and the bytes.
    pub(crate) cells: Bytes,
    pub(crate) row_count: u32,
}

/// Bytes of packed rows: the rest of the frame is small.
const CELLS_BYTES_MAX: usize = proto::CLIENT_FRAME_BYTES_MAX - 4096;

const NULL: i32 = -1;
const UNSET: i32 = -2;

impl Many {
    fn pack(
        prepared: &Prepared,
        rows: impl IntoIterator<Item = impl Values>,
    ) -> Result<Many, Error> {
        let plan = prepared.plan();
        let (mut cells, mut row_count) = (BytesMut::new(), 0);
        for row in rows {
            for value in row.into_bound().fit(&plan.parameters)? {
                match value.kind {
                    None => cells.put_i32(NULL),
                    Some(Kind::Unset(_)) => cells.put_i32(UNSET),
                    Some(Kind::Value(bytes)) => {
                        cells.put_i32(i32::try_from(bytes.len()).map_err(|_| too_large())?);
                        cells.put_slice(&bytes);
                    }
                }
            }
            row_count += 1;
            if proto::EXECUTE_ROWS_MAX < row_count || CELLS_BYTES_MAX < cells.len() {
                return Err(too_large());
            }
        }
        Ok(Many { prepared: prepared.clone(), cells: cells.freeze(), row_count })
    }

    /// A value of the first row; none where it is null or unset.
    pub(crate) fn of_first_row(&self, parameter: usize) -> Option<&[u8]> {
        let mut rest = self.cells.as_ref();
        for at in 0.. {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*length));
            if at == parameter {
                return after.get(..length.ok()?);
            }
            rest = after.get(length.unwrap_or(0)..)?;
        }
        None
    }
}

fn too_large() -> Error {
    let (rows, bytes) = (proto::EXECUTE_ROWS_MAX, CELLS_BYTES_MAX);
    let message = format!("one request takes at most {rows} rows and {bytes} bytes");
    Error::invalid(Code::TooLarge, message).with_hint("send them in several requests")
}

impl Session {
    /// A prepared write, once for each row of values, in one request: at most 1000 rows and almost 16 MiB.
    /// It is answered once all are written; an error other than `UnknownOutcome` means that none
    /// was. Rows of one partition are written together, which makes them cheap. Of two rows for
    /// one cell the later one wins.
    ///
    /// # Errors
    /// Where a row does not fit the statement, or there are too many of them.
    pub fn execute_many(
        &self,
        prepared: &Prepared,
        rows: impl IntoIterator<Item = impl Values>,
    ) -> Result<Request, Error> {
        let many = Many::pack(prepared, rows)?;
        Ok(Request::new(self.clone(), Action::Many(many), Bound::Positional(Vec::new())))
    }
}
