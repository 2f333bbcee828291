//! Symbol hash tables: the dynamic table does not say how long the symbol table is, they do.

use goblin::elf::dynamic::{DT_GNU_HASH, DT_HASH};

use super::{ElfError, Window, dynamic::DynamicTable, image::Image};

/// How many symbols the hash tables know.
pub(super) fn symbol_count(image: &Image<'_>, dynamic: &DynamicTable<'_>) -> Result<usize, ElfError> {
    let unreadable = || ElfError::malformed("a symbol hash table lies outside the loaded segments");
    let mut count = 0;
    if let Some(address) = dynamic.value(DT_HASH) {
        let table = Window(image.at(address).ok_or_else(unreadable)?);
        count = table.u32(4).ok_or_else(unreadable)? as usize;
    }
    if let Some(address) = dynamic.value(DT_GNU_HASH) {
        let table = Window(image.at(address).ok_or_else(unreadable)?);
        count = count.max(gnu_hash_symbol_count(table).ok_or_else(unreadable)?);
    }
    Ok(count)
}

/// One past the last symbol in a GNU hash table: the end of the chain that starts last.
/// Layout: four words (bucket count, first hashed symbol, filter words, shift), filter, buckets, chains.
fn gnu_hash_symbol_count(table: Window<'_>) -> Option<usize> {
    let buckets = table.u32(0)? as usize;
    let first_hashed = table.u32(4)? as usize;
    let filter_words = table.u32(8)? as usize;
    let buckets_at = 16usize.checked_add(filter_words.checked_mul(8)?)?;
    let chains_at = buckets_at.checked_add(buckets.checked_mul(4)?)?;
    table.slice(buckets_at, buckets.checked_mul(4)?)?;
    let last_chain = (0..buckets).filter_map(|bucket| table.u32(buckets_at + bucket * 4)).max().unwrap_or(0);
    if last_chain == 0 {
        return Some(first_hashed.min(1));
    }
    let mut symbol = last_chain as usize;
    loop {
        let at = chains_at.checked_add(symbol.checked_sub(first_hashed)?.checked_mul(4)?)?;
        symbol += 1;
        if table.u32(at)? & 1 != 0 {
            return Some(symbol);
        }
    }
}
