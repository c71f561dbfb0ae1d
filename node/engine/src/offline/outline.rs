//! What an sstable says of itself in front of its blocks and behind them, as far as that can be read.

use std::path::Path;

use bytes::Bytes;
use model::codec::Reader;
use sys::Disk;

use super::boundary::unwrap;
use super::damage::{At, Damage, Place};
use super::error::Error;
use super::input::Input;
use crate::sstable::format::{self, BadVersion, Extent, Filters, Footer, IndexEntry, SstableStats};
use crate::sstable::{self, format::HEADER_BYTES, row_filter, statistics};

/// The outer parts of a file, each if it is sound.
pub(super) struct Outline {
    pub(super) input: Input,
    pub(super) id: u64,
    /// Unknown of a file without header.
    pub(super) version: Option<u32>,
    pub(super) footer: Option<Footer>,
    /// The raw section, of which all entries were looked at.
    pub(super) index: Option<Bytes>,
    pub(super) filters: Option<Filters>,
    pub(super) stats: Option<SstableStats>,
    pub(super) damage: Vec<Damage>,
}

impl Outline {
    pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Outline, Error> {
        let input = Input::open(disk, path)?;
        let named = path.file_name().and_then(|it| sstable::id_of(it.to_str()?));
        let (known, mut damage) = read_header(&input, named)?;
        let (id, version) = match (known, named) {
            (Some((id, version)), _) => (id, Some(version)),
            (None, Some(id)) => (id, None),
            (None, None) => return Err(Error::Unnamed { file: path.into() }),
        };
        let footer = read_footer(&input, id)?.map_err(|it| damage.push(it)).ok();
        let mut outline =
            Outline { input, id, version, footer, index: None, filters: None, stats: None, damage };
        if let Some(footer) = footer {
            outline.filters = outline.section(Place::Filter, footer.filter, |raw| {
                Filters::decode(raw).map_err(|it| it.to_string())
            });
            // Between blocks lie pages: where these are not known, there may be any.
            let pages = outline.filters.as_ref().map(Filters::pages);
            outline.index = outline.section(Place::Index, footer.index, |raw| {
                check_index(&raw, pages, footer.index.offset).map(|()| raw)
            });
            outline.stats = outline.section(Place::Stats, footer.stats, |raw| {
                let read = |version| SstableStats::decode(version, raw.clone());
                let found = match version {
                    Some(version) => read(version),
                    // Each version has all that the one before it has, and more.
                    None => read(3).or_else(|_| read(2)).or_else(|_| read(1)),
                };
                found.map_err(|it| it.to_string())
            });
        }
        Ok(outline)
    }

    /// Whether a page of the filter of rows is whole, or what is wrong with it.
    pub(super) fn page(&self, extent: Extent) -> Result<(), String> {
        let raw = unwrap(self.input.read(extent)?, self.id, extent.offset)?;
        row_filter::decode(&raw).map(|_| ()).map_err(str::to_owned)
    }

    /// A page of block statistics, or what is wrong with it.
    pub(super) fn statistics(&self, extent: Extent) -> Result<statistics::Page, String> {
        let raw = unwrap(self.input.read(extent)?, self.id, extent.offset)?;
        statistics::Page::decode(raw).map_err(|it| it.to_string())
    }

    /// Where blocks end for sure: behind it they do not go on.
    pub(super) fn blocks_end(&self) -> u64 {
        self.footer.map_or(self.input.len, |it| it.index.offset)
    }

    fn section<T>(
        &mut self,
        place: Place,
        extent: Extent,
        read: impl FnOnce(Bytes) -> Result<T, String>,
    ) -> Option<T> {
        let bytes = self.input.read(extent);
        let raw = bytes.and_then(|it| unwrap(it, self.id, extent.offset).map_err(str::to_owned));
        let found = raw.and_then(read);
        found.map_err(|it| self.damage.push(damage(place, extent, it))).ok()
    }
}

pub(super) fn damage(place: Place, extent: Extent, what: impl Into<String>) -> Damage {
    Damage::new(place, (extent.offset, extent.bytes), what)
}

/// An sstable's number and version.
type Identity = (u64, u32);

/// The sstable's number and version, if the header is sound by itself, and what is wrong otherwise.
fn read_header(
    input: &Input,
    named: Option<u64>,
) -> Result<(Option<Identity>, Vec<Damage>), Error> {
    let extent = Extent { offset: 0, bytes: HEADER_BYTES.min(input.len) };
    let bad = |what: String| Ok((None, vec![damage(Place::Header, extent, what)]));
    let bytes = match input.read(extent) {
        Ok(bytes) if extent.bytes == HEADER_BYTES => bytes,
        Ok(_) => return bad("the file ends inside of it".into()),
        Err(what) => return bad(what),
    };
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[12..20]);
    let id = u64::from_le_bytes(word);
    match format::check_header(&bytes, id) {
        Ok(version) => {
            let other = named.filter(|it| *it != id);
            let text = |named| format!("it is of sstable {id}, by its name the file is {named}");
            let wrong = other.map(|named| damage(Place::Header, extent, text(named)));
            Ok((Some((id, version)), wrong.into_iter().collect()))
        }
        Err(BadVersion::Newer(found)) => Err(newer(input, found)),
        Err(BadVersion::Corrupt) => bad("it is not the header of an sstable".into()),
    }
}

/// The footer, or what is wrong with it.
fn read_footer(input: &Input, id: u64) -> Result<Result<Footer, Damage>, Error> {
    let extent = input.tail(format::FOOTER_BYTES);
    let bad = |what: &str| Ok(Err(damage(Place::Footer, extent, what)));
    let bytes = match input.read(extent) {
        Ok(bytes) => bytes,
        Err(what) => return bad(&what),
    };
    let footer = match Footer::decode(&bytes, id, extent.offset) {
        Ok(footer) => footer,
        Err(BadVersion::Newer(found)) => return Err(newer(input, found)),
        Err(BadVersion::Corrupt) => {
            return bad("it is not the footer of this sstable, or the file was cut short");
        }
    };
    let end = |it: Extent| it.offset.checked_add(it.bytes);
    let is_sound = HEADER_BYTES <= footer.index.offset
        && end(footer.index) == Some(footer.filter.offset)
        && end(footer.filter) == Some(footer.stats.offset)
        && end(footer.stats) == Some(extent.offset);
    if is_sound {
        Ok(Ok(footer))
    } else {
        bad("the sections that it names do not follow each other")
    }
}

fn newer(input: &Input, found: u32) -> Error {
    let (file, supported) = (input.path.clone(), format::VERSION);
    crate::Error::NewerFormat { file, found, supported }.into()
}

/// Whether blocks follow each other without gaps but for `pages`, in order, from the header to the index.
fn check_index(raw: &Bytes, pages: Option<Vec<Extent>>, end: u64) -> Result<(), String> {
    let is_known = pages.is_some();
    let mut pages = pages.into_iter().flatten().peekable();
    let mut behind_pages = |mut offset: u64| {
        while let Some(page) = pages.next_if(|it| it.offset == offset) {
            offset = offset.saturating_add(page.bytes);
        }
        offset
    };
    let entries = Entries::of(raw.clone()).map_err(|it| it.to_string())?;
    let (mut offset, mut last) = (HEADER_BYTES, None::<At>);
    for entry in entries {
        let IndexEntry { key, start, extent } = entry.map_err(|it| it.to_string())?;
        let next = At { key, clustering: start };
        let follows = last.as_ref().is_none_or(|last| *last < next);
        offset = behind_pages(offset);
        if !follows || (is_known && extent.offset != offset) || extent.offset < offset {
            return Err("its blocks do not follow each other".into());
        }
        offset = extent.offset.saturating_add(extent.bytes);
        last = Some(next);
    }
    match behind_pages(offset) {
        last if last == end || (!is_known && last < end) => Ok(()),
        _ => Err("its blocks are not all that lies before it".into()),
    }
}

/// The entries of an index, one by one.
pub(super) struct Entries {
    reader: Reader,
    left: usize,
}

impl Entries {
    pub(super) fn of(raw: Bytes) -> Result<Entries, model::codec::Malformed> {
        let mut reader = Reader::new(raw);
        let left = reader.count(5, "index length")?;
        Ok(Entries { reader, left })
    }
}

impl Iterator for Entries {
    type Item = Result<IndexEntry, model::codec::Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(IndexEntry::read(&mut self.reader))
    }
}
