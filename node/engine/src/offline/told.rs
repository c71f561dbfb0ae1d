//! Whether block statistics are those of their blocks.

use model::TableId;

use super::outline::Outline;
use crate::sstable::block::{self, Fragment};
use crate::sstable::format::Extent;
use crate::sstable::pages::Directory;
use crate::sstable::statistics::Page;
use crate::sstable::symbols::TextCoder;

/// What a file tells of its blocks, held against them one after the other.
pub(super) struct Told<'a> {
    outline: &'a Outline,
    pages: Directory,
    /// The page that was looked at last, if it is sound.
    last: Option<(usize, Option<Page>)>,
    /// Pages that tell of a block what is not so.
    wrong: Vec<Extent>,
}

impl<'a> Told<'a> {
    pub(super) fn of(outline: &'a Outline) -> Told<'a> {
        let pages = outline.filters.as_ref().map(|it| it.statistics.clone());
        let pages = Directory::new(&pages.unwrap_or_default().0);
        Told { outline, pages, last: None, wrong: Vec::new() }
    }

    /// Compares what is told of block `at` with what it holds.
    pub(super) fn compare(&mut self, at: usize, fragments: &[Fragment]) {
        // Without the index nobody knows which block of all it is.
        let Some((number, extent)) = self.pages.page_of(at) else { return };
        if self.outline.index.is_none() {
            return;
        }
        if self.last.as_ref().is_none_or(|it| it.0 != number) {
            self.last = Some((number, self.outline.statistics(extent).ok()));
        }
        let Some((_, Some(page))) = &self.last else { return };
        let is_so = match page.0.get(at - self.pages.first_of(number)) {
            Some(Some(told)) => {
                let table = TableId(uuid::Uuid::nil());
                let found = block::encode(table, fragments, &mut TextCoder::off()).statistics;
                found.is_some_and(|it| it == *told)
            }
            Some(None) => true,
            None => false,
        };
        if !is_so && self.wrong.last() != Some(&extent) {
            self.wrong.push(extent);
        }
    }

    /// The pages that cannot be read, and those that are wrong, and why.
    pub(super) fn wrong(&self) -> Vec<(Extent, String)> {
        let pages = self.outline.filters.iter().flat_map(|it| it.statistics.extents());
        let unsound = pages.filter_map(|it| Some((it, self.outline.statistics(it).err()?)));
        let wrong = self.wrong.iter().map(|it| (*it, "they are not those of the blocks".into()));
        unsound.chain(wrong).collect()
    }
}
