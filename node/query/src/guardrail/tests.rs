use super::*;

#[test]
fn the_table_is_in_the_order_of_the_enum() {
    for (index, rail) in RAILS.iter().enumerate() {
        assert_eq!(rail.guardrail as usize, index, "{}", rail.name);
        assert_eq!(rail.guardrail.rail().name, rail.name);
    }
}

#[test]
fn a_limit_itself_is_allowed_and_what_is_beyond_it_is_not() {
    let limits = Limits { warn: Some(3), fail: Some(5) };
    let verdicts = [2, 3, 4, 5, 6].map(|it| limits.judge(it, false));
    use Verdict::{Fail, Ok, Warn};
    assert_eq!(verdicts, [Ok, Ok, Warn(3), Warn(3), Fail(5)]);
    let floor = Limits { warn: Some(3), fail: Some(1) };
    assert_eq!([0, 1, 2, 3].map(|it| floor.judge(it, true)), [Fail(1), Warn(3), Warn(3), Ok]);
    let off = Limits::default();
    assert_eq!([off.judge(0, true), off.judge(u64::MAX, false)], [Ok, Ok]);
}

#[test]
fn whoever_is_refused_learns_value_limit_and_setting() {
    let limits = Limits { warn: Some(1 << 20), fail: Some(2 << 20) };
    let guard = Guard::new(|_| limits);
    assert_eq!(guard.check(Guardrail::CellBytes, 1 << 20), Ok(None));
    let told = guard.check(Guardrail::CellBytes, 1_500_000).unwrap().unwrap();
    let expected = "the size of a written value is 1500000 bytes, more than 1 MiB (guardrails.cell_bytes_warn)";
    assert_eq!(told, expected);
    let refused = guard.check(Guardrail::CellBytes, 3 << 20).unwrap_err();
    let expected =
        "the size of a written value is 3 MiB, more than 2 MiB (guardrails.cell_bytes_fail)";
    assert_eq!((refused.code, refused.message.as_str()), (Code::TooLarge, expected));
    let reached: Vec<_> = guard.counts().into_iter().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(reached, [("cell_bytes", Level::Warn, 1), ("cell_bytes", Level::Fail, 1)]);
}
