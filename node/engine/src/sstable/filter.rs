//! A bloom filter over partition keys: "not here" for sure, "maybe here" otherwise.

use model::PartitionKey;
use model::codec::{Malformed, Reader, Writer};
use xxhash_rust::xxh3::xxh3_64;

/// Bits set by the hashes of keys.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Bits tested for each key; 0 says "maybe" to everything.
    probes: u32,
    words: Vec<u64>,
}

/// What a filter keeps of a key.
pub(crate) fn hash(key: &PartitionKey) -> u64 {
    xxh3_64(&key.bytes)
}

/// Bits of a key in a filter that says "maybe" wrongly for one in `1 / false_positives`.
pub(crate) fn bits_for(false_positives: f64) -> f64 {
    let rate = false_positives.clamp(0.000_1, 1.0);
    -rate.ln() / std::f64::consts::LN_2.powi(2)
}

impl Filter {
    /// A filter over `hashes` that says "maybe" wrongly for one in `1 / false_positives` keys.
    pub(crate) fn build(hashes: &[u64], false_positives: f64) -> Filter {
        let bits_per_key = bits_for(false_positives);
        if hashes.is_empty() || bits_per_key < 1.0 {
            return Filter { probes: 0, words: Vec::new() };
        }
        let probes = (bits_per_key * std::f64::consts::LN_2).round().max(1.0) as u32;
        let bits = (hashes.len() as f64 * bits_per_key).ceil() as usize;
        let mut filter = Filter { probes, words: vec![0; bits.div_ceil(64)] };
        for hash in hashes {
            for bit in filter.bits(*hash).collect::<Vec<_>>() {
                filter.words[bit / 64] |= 1 << (bit % 64);
            }
        }
        filter
    }

    /// Whether a key with this hash may be there.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.bits(hash).all(|bit| self.words[bit / 64] & (1 << (bit % 64)) != 0)
    }

    pub(crate) fn put(&self, out: &mut Writer) {
        out.uint(u64::from(self.probes));
        out.uint(self.words.len() as u64);
        self.words.iter().for_each(|word| out.raw(&word.to_le_bytes()));
    }

    pub(crate) fn read(reader: &mut Reader) -> Result<Filter, Malformed> {
        let probes = reader.uint("filter probes")?;
        let count = reader.count(8, "filter length")?;
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            let mut word = [0; 8];
            word.copy_from_slice(&reader.raw(8, "filter word")?);
            words.push(u64::from_le_bytes(word));
        }
        let probes = u32::try_from(probes).map_err(|_| reader.malformed("filter probes"))?;
        if probes > 0 && words.is_empty() {
            return Err(reader.malformed("filter length"));
        }
        Ok(Filter { probes, words })
    }

    /// Double hashing: the two halves of the hash, the second made odd so that it reaches every bit.
    fn bits(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let bits = (self.words.len() * 64) as u64;
        let (base, stride) = (hash, hash.rotate_left(32) | 1);
        (0..u64::from(self.probes))
            .map(move |probe| (base.wrapping_add(probe.wrapping_mul(stride)) % bits) as usize)
    }
}
