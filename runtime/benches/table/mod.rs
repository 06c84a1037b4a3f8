//! What the benches print: tables in Markdown.

/// A table, its first column aligned to the left and the others to the right.
pub(crate) fn print<const N: usize>(columns: [&str; N], rows: Vec<[String; N]>) {
    println!("| {} |", columns.join(" | "));
    println!("|---{}|", "|---:".repeat(N - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// Something measured and the most that it may be.
#[allow(dead_code, reason = "not every bench has targets")]
pub(crate) struct Target(pub(crate) &'static str, pub(crate) f64, pub(crate) f64);

#[allow(dead_code, reason = "not every bench has targets")]
pub(crate) fn print_targets(targets: &[Target]) {
    let rows = targets.iter().map(|Target(what, measured, limit)| {
        let verdict = if measured <= limit {
            "met"
        } else {
            "**missed**"
        };
        let limit = format!("≤ {limit}");
        [
            (*what).to_owned(),
            number(*measured),
            limit,
            verdict.to_owned(),
        ]
    });
    print(["target", "measured", "at most", ""], rows.collect());
}

/// Three digits or so that say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A count, to calculate with.
#[allow(
    clippy::cast_precision_loss,
    reason = "a count that a double cannot hold would take weeks to measure"
)]
pub(crate) fn figure(count: usize) -> f64 {
    count as f64
}
