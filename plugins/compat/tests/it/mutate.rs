//! Changes files as somebody would who knows what an ELF file is made of: where tables are said to lie, how long they are, what they
//! point at. Shared by the property test and the fuzz target, so that what one found the other can make again.

/// Where randomness comes from: the same for the same seed, on every machine.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn next(&mut self) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Changes one thing in `file`, which is no longer than `longest` bytes afterwards.
pub(crate) fn mutate(file: &mut Vec<u8>, noise: &mut Noise, longest: usize) {
    match noise.below(20) {
        0..=11 => change_field(file, noise),
        12 | 13 => change_bytes(file, noise),
        14 | 15 => exchange_entries(file, noise),
        16 => copy_block(file, noise),
        17 => {
            let length = noise.below(file.len() + 1);
            file.truncate(length);
        }
        18 => {
            let more = 1 + noise.below(256);
            let value = *pick(&[0, 0, 1, 0xff, b'a'], noise);
            file.resize(file.len() + more, value);
        }
        _ => insert_block(file, noise),
    }
    file.truncate(longest);
}

/// A part of the file that is made of fields of `width` bytes.
#[derive(Clone, Copy)]
struct Table {
    start: usize,
    end: usize,
    width: usize,
}

/// All tables that can be found in a 64-bit little-endian file; the header at least.
fn tables(file: &[u8]) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut add = |start: Option<u64>, length: u64, width: usize| {
        let Some(start) = start.and_then(|start| usize::try_from(start).ok()) else { return };
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(file.len());
        if end.saturating_sub(start) >= width {
            tables.push(Table { start, end, width });
        }
    };
    add(Some(0), 64, 2);
    let (segments, sections) = (number(file, 32, 8), number(file, 40, 8));
    let count = number(file, 56, 2).unwrap_or(0);
    add(segments, count * 56, 8);
    add(sections, number(file, 60, 2).unwrap_or(0) * 64, 8);
    let places = (0..count).filter_map(|index| usize::try_from(segments?.checked_add(index * 56)?).ok());
    for segment in places.filter(|at| *at < file.len()) {
        let (start, length) = (number(file, segment + 8, 8), number(file, segment + 32, 8).unwrap_or(0));
        match number(file, segment, 4) {
            // Often, as it leads to everything else.
            Some(2) => (0..4).for_each(|_| add(start, length, 8)),
            Some(3) => add(start, length, 1),
            Some(4 | 0x6474_e553) => add(start, length, 4),
            _ => {}
        }
    }
    for (tag, value) in dynamic_entries(file) {
        // Address, as far as it is worth while, and width of fields: DT_STRTAB, DT_SYMTAB, relocations, hash tables, versions.
        let (length, width) = match tag {
            5 => (512, 1),
            6 => (2048, 4),
            7 | 17 | 23 => (1024, 4),
            4 | 0x6fff_fef5 => (256, 4),
            0x6fff_fff0 => (256, 2),
            0x6fff_fffe | 0x6fff_fffc => (512, 2),
            _ => continue,
        };
        add(offset_of(file, value), length, width);
    }
    tables
}

/// Tags and values of the dynamic table.
fn dynamic_entries(file: &[u8]) -> Vec<(u64, u64)> {
    let Some(table) = segment_of_kind(file, 2) else { return Vec::new() };
    let (Some(start), Some(length)) = (number(file, table + 8, 8), number(file, table + 32, 8)) else {
        return Vec::new();
    };
    let entry = |index: u64| {
        let at = usize::try_from(start.checked_add(index * 16)?).ok()?;
        Some((number(file, at, 8)?, number(file, at + 8, 8)?))
    };
    (0..(length / 16).min(128)).map_while(entry).collect()
}

/// Where the first program header of this type lies.
fn segment_of_kind(file: &[u8], kind: u64) -> Option<usize> {
    let (start, count) = (number(file, 32, 8)?, number(file, 56, 2)?);
    let mut places = (0..count).filter_map(|index| usize::try_from(start.checked_add(index * 56)?).ok());
    places.find(|at| number(file, *at, 4) == Some(kind))
}

/// Where in the file the byte lies that is mapped at `address`.
fn offset_of(file: &[u8], address: u64) -> Option<u64> {
    let (start, count) = (number(file, 32, 8)?, number(file, 56, 2)?);
    (0..count).find_map(|index| {
        let at = usize::try_from(start.checked_add(index * 56)?).ok()?;
        number(file, at, 4).filter(|kind| *kind == 1)?;
        let place = |field: usize| number(file, at + field, 8);
        let inside = address.checked_sub(place(16)?).filter(|inside| *inside < place(32).unwrap_or(0))?;
        place(8)?.checked_add(inside)
    })
}

fn number(file: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Gives a field of some table a value that fields of such tables have, or just do not have.
fn change_field(file: &mut [u8], noise: &mut Noise) {
    let tables = tables(file);
    if tables.is_empty() {
        return change_bytes(file, noise);
    }
    let table = *pick(&tables, noise);
    let at = table.start + noise.below((table.end - table.start) / table.width) * table.width;
    let other = pick(&tables, noise).start as u64;
    let length = file.len() as u64;
    let old = number(file, at, table.width).unwrap_or(0);
    let value = match noise.below(12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::MAX >> 1,
        4 => old.wrapping_add(1),
        5 => old.wrapping_sub(1),
        6 => old ^ (1 << noise.below(8 * table.width)),
        7 => length - (noise.below(64) as u64).min(length),
        8 => other,
        9 => noise.below(file.len()) as u64,
        10 => noise.below(64) as u64,
        _ => *pick(&TAGS, noise),
    };
    file[at..at + table.width].copy_from_slice(&value.to_le_bytes()[..table.width]);
}

/// Tags of the dynamic table and types of program headers that the parser knows: an entry that becomes another one.
const TAGS: [u64; 26] = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    14,
    15,
    17,
    20,
    22,
    23,
    24,
    29,
    30,
    36,
    0x6474_e551,
    0x6474_e553,
    0x6fff_fef5,
    0x6fff_fff0,
    0x6fff_fffb,
    0x6fff_fffc,
    0x6fff_fffe,
    0x7fff_ffff,
];

fn change_bytes(file: &mut [u8], noise: &mut Noise) {
    for _ in 0..1 + noise.below(8) {
        if !file.is_empty() {
            file[noise.below(file.len())] = noise.next() as u8;
        }
    }
}

/// Exchanges two entries of the dynamic table, or makes one of the other.
fn exchange_entries(file: &mut [u8], noise: &mut Noise) {
    const ENTRY: usize = 16;
    let place = |at: usize| Some((number(file, at + 8, 8)?, number(file, at + 32, 8)?));
    let Some((start, length)) = segment_of_kind(file, 2).and_then(place) else { return };
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else { return };
    let count = length.min(file.len().saturating_sub(start)) / ENTRY;
    if count < 2 {
        return;
    }
    let (one, other) = (start + noise.below(count) * ENTRY, start + noise.below(count) * ENTRY);
    if noise.below(2) == 0 {
        file.copy_within(one..one + ENTRY, other);
    } else {
        (0..ENTRY).for_each(|byte| file.swap(one + byte, other + byte));
    }
}

fn copy_block(file: &mut [u8], noise: &mut Noise) {
    if file.is_empty() {
        return;
    }
    let length = 1 + noise.below(file.len().min(256));
    let (from, to) = (noise.below(file.len() - length + 1), noise.below(file.len() - length + 1));
    file.copy_within(from..from + length, to);
}

fn insert_block(file: &mut Vec<u8>, noise: &mut Noise) {
    let at = noise.below(file.len() + 1);
    let length = 1 + noise.below(64);
    let block: Vec<u8> = match noise.below(2) {
        0 => vec![0; length],
        _ => file[at..].iter().copied().take(length).collect(),
    };
    file.splice(at..at, block);
}

fn pick<'a, T>(choices: &'a [T], noise: &mut Noise) -> &'a T {
    &choices[noise.below(choices.len())]
}
