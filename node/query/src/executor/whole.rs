//! All rows of a read at once, for those who want no pages.

use cql_lite::code::Code;

use super::{PAGE_ROWS_MAX, Run};
use crate::{Error, Outcome, Reply, Request, Rows, plan::select::Select, prepared::Entry};

/// Most bytes of values, with their lengths, that are answered at once: they are in memory together.
const WHOLE_BYTES_MAX: usize = 16 << 20;

impl Run<'_> {
    /// Reads page after page.
    pub(super) async fn whole(&self, select: &Select, entry: &Entry) -> Result<Reply, Error> {
        let mut request = Request { page_rows: Some(PAGE_ROWS_MAX), ..self.request.clone() };
        let mut all: Option<(Rows, Vec<String>)> = None;
        let mut bytes = 0;
        loop {
            let run = Run { request: &request, ..*self };
            let Reply { outcome, warnings } = run.select(select, entry).await?;
            let Outcome::Rows(mut page) = outcome else {
                return Ok(Reply { outcome, warnings });
            };
            bytes += page.rows.byte_len();
            if WHOLE_BYTES_MAX < bytes {
                let mib = WHOLE_BYTES_MAX >> 20;
                let message = format!("the rows take more than {mib} MiB together");
                return Err(Error::new(Code::TooLarge, message)
                    .hint("ask for pages: drivers do as soon as a page has a size"));
            }
            let more = page.paging_state.take();
            let (rows, warnings) = match all.take() {
                None => (page, warnings),
                Some((mut rows, mut told)) => {
                    rows.rows.append(&page.rows);
                    told.extend(warnings);
                    (rows, told)
                }
            };
            if more.is_none() {
                return Ok(Reply { outcome: Outcome::Rows(rows), warnings });
            }
            request.paging_state = more;
            all = Some((rows, warnings));
        }
    }
}
