//! Whose clock is wrong: what a node can tell from how far its peers' clocks are ahead of its own.

use std::time::Duration;

/// A sentence for each clock that is off by more than `max`. `skews` has each peer that was compared, with the
/// microseconds by which its clock is ahead of this node's.
///
/// Where most of several peers are off the same way, it is this node's clock that is wrong.
pub(crate) fn wrong(skews: &[(String, i64)], max: Duration) -> Vec<String> {
    let differs = |micros: i64| max < Duration::from_micros(micros.unsigned_abs());
    let off = |sign: i64| {
        let mut off: Vec<i64> =
            skews.iter().map(|it| it.1).filter(|it| differs(*it) && it.signum() == sign).collect();
        off.sort_unstable();
        off
    };
    for off in [off(1), off(-1)] {
        if 1 < skews.len() && skews.len() < off.len() * 2 {
            let median = off[off.len() / 2];
            return vec![format!("the clock of this node is {} most others", far(-median))];
        }
    }
    let wrong = skews.iter().filter(|it| differs(it.1));
    wrong
        .map(|(peer, micros)| format!("the clock of {peer} is {} this node's", far(*micros)))
        .collect()
}

/// `3.2 s ahead of`
fn far(micros: i64) -> String {
    let way = if micros < 0 { "behind" } else { "ahead of" };
    format!("{:.1} s {way}", micros.unsigned_abs() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(skews: &[i64]) -> Vec<String> {
        let named = skews.iter().zip(1..).map(|(micros, at)| (format!("n{at}"), *micros));
        wrong(&named.collect::<Vec<_>>(), Duration::from_secs(1))
    }

    #[test]
    fn the_one_that_differs_from_most_is_named() {
        assert_eq!(told(&[]), [""; 0]);
        assert_eq!(told(&[900_000, -1_000_000]), [""; 0]);
        assert_eq!(told(&[5_250_000]), ["the clock of n1 is 5.2 s ahead of this node's"]);
        assert_eq!(told(&[0, -5_000_000]), ["the clock of n2 is 5.0 s behind this node's"]);
        let own = "the clock of this node is 5.0 s behind most others";
        assert_eq!(told(&[4_000_000, 5_000_000]), [own]);
        assert_eq!(told(&[0, -3_000_000, -3_000_000, -4_000_000]).len(), 1);
        // Two that are off in opposite ways do not make a third one wrong.
        assert_eq!(told(&[5_000_000, -5_000_000]).len(), 2);
        assert_eq!(told(&[i64::MIN, i64::MAX]).len(), 2);
    }
}
