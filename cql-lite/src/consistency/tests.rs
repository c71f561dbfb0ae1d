//! Levels by number and by name.

use super::*;

#[test]
fn levels_have_the_numbers_and_names_of_the_native_protocol() {
    for (code, level) in (0..).zip(Consistency::ALL) {
        assert_eq!(level.code(), code);
        assert_eq!(Consistency::from_code(code), Some(level));
        assert_eq!(Consistency::from_name(&level.to_string().to_lowercase()), Some(level));
    }
    assert_eq!(Consistency::from_code(11), None);
    assert_eq!(Consistency::from_name("MOST"), None);
}
