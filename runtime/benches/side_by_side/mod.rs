//! Contestants measured in turns, so that what else the machine does hits all of them alike.

use std::env;

/// The samples of one contestant, one a round.
pub(crate) struct Samples(pub(crate) Vec<f64>);

/// Takes a sample of each contestant in each of so many rounds; in one, if this is not a bench.
/// Each round begins with another contestant.
pub(crate) fn measure<F: FnMut() -> f64, const N: usize>(
    rounds: usize,
    mut contestants: [F; N],
) -> [Samples; N] {
    let mut samples = [const { Samples(Vec::new()) }; N];
    for round in 0..if is_bench() { rounds } else { 1 } {
        for turn in 0..N {
            let contestant = (round + turn) % N;
            samples[contestant].0.push(contestants[contestant]());
        }
    }
    samples
}

impl Samples {
    pub(crate) fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// The median of the differences, each of two samples of the same round.
    #[allow(dead_code, reason = "most benches compare by ratios")]
    pub(crate) fn more_than(&self, other: &Self) -> f64 {
        let differences = self.0.iter().zip(&other.0);
        median(differences.map(|(this, other)| this - other).collect())
    }

    /// The median of the ratios, each of two samples of the same round.
    pub(crate) fn ratio(&self, to: &Self) -> f64 {
        let ratios = self.0.iter().zip(&to.0).map(|(this, other)| this / other);
        median(ratios.collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Whether this is run by `cargo bench`. If not, then only to see that it works.
pub(crate) fn is_bench() -> bool {
    env::args().any(|argument| argument == "--bench")
}
