//! Pages: what lies between blocks and tells something of those in front of it.
//!
//! ```text
//!   file    │ block 0 │ block 1 │ block 2 │ page │ block 3 │ block 4 │ page │ …
//!                └───────── of these ──────┘       └── and of these ─┘
//! ```
//!
//! Each kind of page has a list, in order, which lies behind the filter. Pages are written behind their blocks, so that a writer
//! holds what one of them tells, whatever the size of the file. In memory they lie in the cache like blocks.

use model::codec::{Malformed, Reader, Writer};

use super::format::Extent;

/// The first byte of every page, raw: a block begins with how many fragments it has, and has one at least.
pub(super) const PAGE: u8 = 0;

/// The blocks of a page, and where it lies: nowhere if nothing is told of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) blocks: u64,
    pub(crate) extent: Extent,
}

/// Where the pages of one kind lie, in order of their blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages(pub(crate) Vec<Page>);

impl Pages {
    /// The page of the next so many blocks was written there, or nowhere.
    pub(super) fn push(&mut self, blocks: u64, extent: Option<Extent>) {
        let extent = extent.unwrap_or_default();
        match self.0.last_mut() {
            Some(last) if last.extent.bytes == 0 && extent.bytes == 0 => last.blocks += blocks,
            Some(_) | None if blocks > 0 => self.0.push(Page { blocks, extent }),
            Some(_) | None => {}
        }
    }

    pub(super) fn put(&self, out: &mut Writer) {
        out.uint(self.0.len() as u64);
        for Page { blocks, extent } in &self.0 {
            out.uint(*blocks);
            out.uint(extent.offset);
            out.uint(extent.bytes);
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Pages, Malformed> {
        let count = reader.count(3, "number of pages")?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let blocks = reader.uint("blocks of a page")?;
            let (offset, bytes) = (reader.uint("page offset")?, reader.uint("page length")?);
            all.push(Page { blocks, extent: Extent { offset, bytes } });
        }
        Ok(Pages(all))
    }

    /// Where there is one: the others tell only which blocks have none.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> {
        self.0.iter().map(|it| it.extent).filter(|it| it.bytes > 0)
    }
}

/// Which page a block has.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Behind the last block of each page.
    ends: Vec<u64>,
    extents: Vec<Extent>,
}

impl Directory {
    pub(crate) fn new(pages: &[Page]) -> Directory {
        let ends = pages.iter().scan(0_u64, |end, it| {
            *end = end.saturating_add(it.blocks);
            Some(*end)
        });
        Directory { ends: ends.collect(), extents: pages.iter().map(|it| it.extent).collect() }
    }

    /// How many pages there are, and places without one.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The page of block `at`, by its number and where it lies, if it has one.
    pub(crate) fn page_of(&self, at: usize) -> Option<(usize, Extent)> {
        let page = self.ends.partition_point(|end| *end <= at as u64);
        self.extents.get(page).filter(|it| it.bytes > 0).map(|it| (page, *it))
    }

    /// The first block of a page.
    pub(crate) fn first_of(&self, page: usize) -> usize {
        page.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }
}
