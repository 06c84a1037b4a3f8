//! Files with random mistakes are read, scored and reported without a panic.

use std::thread;

use crate::baseline::Baseline;
use crate::enforce;
use crate::index::Index;
use crate::model::SourceFile;
use crate::report::human;
use crate::score;
use crate::source;

const SOURCES: [&str; 4] = [
    include_str!("../../tests/fixtures/late/src/lib.rs"),
    include_str!("../../tests/fixtures/harmless/src/lib.rs"),
    include_str!("../../tests/fixtures/settled/src/lib.rs"),
    include_str!("../../tests/fixtures/befores/src/lib.rs"),
];

/// What is inserted: brackets, operators, words of the analysis, letters of several bytes.
const PIECES: [&str; 24] = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "<",
    "\"",
    "'",
    "/*",
    "//",
    "!",
    "#",
    ".await",
    "?",
    "select!",
    "async move {",
    "tokio::spawn(",
    "break",
    "\u{feff}",
    "é",
    "🦀",
    "\t",
    "r#",
    "::",
];

const FILES: u64 = 10_000;
const THREADS: u64 = 2;

/// A small generator: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn place(&mut self, text: &str) -> usize {
        let mut place = self.below(text.len() + 1);
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    }
}

/// Inserts, deletes, moves or doubles a part of a text.
fn mutate(text: &mut String, random: &mut Random) {
    let start = random.place(text);
    let end = (start + random.below(40)).min(text.len());
    let end = (start..=end)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap();
    match random.below(5) {
        0 => text.insert_str(start, PIECES[random.below(PIECES.len())]),
        1 => text.replace_range(start..end, ""),
        2 => text.replace_range(start..end, PIECES[random.below(PIECES.len())]),
        3 => {
            let part = text[start..end].to_owned();
            let place = random.place(text);
            text.insert_str(place, &part);
        }
        _ => {
            let lines = text.lines().count();
            let (from, to) = (random.below(lines), random.below(lines));
            let mut lines: Vec<&str> = text.lines().collect();
            lines.swap(from, to);
            *text = lines.join("\n");
        }
    }
}

/// Reads and reports one file. Returns whether it parses.
fn read(text: &str) -> bool {
    let mut file = SourceFile::default();
    source::read(text, &mut file);
    let files = [file];
    let index = Index::new(&files);
    let mut report = String::new();
    for file in &files {
        for function in &file.functions {
            if let Some(finding) = score::score(&index, file, function) {
                human::block(&finding, text, true, &mut report);
            }
        }
    }
    for violation in enforce::violations(&files, &Baseline::default()) {
        report.push_str(&violation.message());
    }
    files.iter().all(|file| file.warnings.is_empty())
}

#[test]
fn ten_thousand_mutated_files_are_read_without_a_panic() {
    let work = |thread: u64| {
        let mut parsed = 0;
        for number in (thread..FILES).step_by(usize::try_from(THREADS).unwrap()) {
            let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let mut text = SOURCES[random.below(SOURCES.len())].to_owned();
            for _ in 0..=random.below(3) {
                mutate(&mut text, &mut random);
            }
            parsed += u32::from(read(&text));
        }
        parsed
    };
    let threads = (0..THREADS).map(|thread| {
        let builder = thread::Builder::new().stack_size(64 << 20);
        builder.spawn(move || work(thread)).unwrap()
    });
    let threads: Vec<_> = threads.collect();
    let parsed: u32 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert!(parsed > 1000, "{parsed} of the files parse");
}
