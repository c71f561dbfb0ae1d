//! Where seeds come from: `SIM_SEED` repeats one, the file `seeds` never forgets one, all others
//! are fresh.

use sys::Rng;

/// Every seed that ever failed.
const REMEMBERED: &str = include_str!("../seeds");

/// Fresh seeds of each scenario, unless `SIM_SEEDS` says otherwise.
const FRESH: usize = 20;

/// The seeds that a scenario runs with now.
pub fn of(scenario: &str) -> Vec<u64> {
    if let Some(seed) = variable("SIM_SEED") {
        return vec![seed];
    }
    let count =
        variable("SIM_SEEDS").map_or(FRESH, |count| usize::try_from(count).unwrap_or(FRESH));
    let mut rng = Rng::from_os();
    // Short, because people type them.
    let fresh = (0..count).map(|_| rng.below(1 << 32));
    remembered(REMEMBERED, scenario).into_iter().chain(fresh).collect()
}

/// Whether `SIM_SEED` asks for one run again.
pub fn repeats_one() -> bool {
    variable("SIM_SEED").is_some()
}

/// What to type to see a failure again.
pub fn command(test: &str, seed: u64) -> String {
    format!("SIM_SEED={seed} cargo test -p sim-tests {test}")
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let Ok(number) = text.parse() else { panic!("{name}={text} is not a number") };
    Some(number)
}

fn remembered(file: &str, scenario: &str) -> Vec<u64> {
    let mut seeds = Vec::new();
    for line in file.lines().filter(|it| !it.starts_with('#') && !it.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let (name, seed) = (words.next(), words.next().map(str::parse));
        let (Some(name), Some(Ok(seed)), Some(_)) = (name, seed, words.next()) else {
            panic!("`seeds`: not `scenario seed story`: {line}");
        };
        if name == scenario {
            seeds.push(seed);
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::remembered;

    #[test]
    fn seeds_are_remembered_by_scenario() {
        let file = "# comment\n\nalpha 7 the first\nbeta 8 another\nalpha 9 the second\n";
        assert_eq!(remembered(file, "alpha"), [7, 9]);
        assert_eq!(remembered(file, "gamma"), Vec::<u64>::new());
    }

    #[test]
    #[should_panic(expected = "not `scenario seed story`")]
    fn a_seed_without_a_story_is_refused() {
        remembered("alpha 7\n", "alpha");
    }

    #[test]
    fn every_remembered_seed_has_a_scenario() {
        let known = crate::scenario::ALL.map(|it| it.name);
        let lines = super::REMEMBERED.lines().filter(|it| !it.starts_with('#') && !it.is_empty());
        for line in lines {
            assert!(known.iter().any(|it| line.starts_with(&format!("{it} "))), "{line}");
        }
    }
}
