use query::guardrail::{Guardrail, Limits, RAILS};

use super::*;

fn layers(file: &str) -> Result<Layers, Error> {
    let mut layers = Layers::default();
    layers.lay_file("helenus.toml".into(), file)?;
    Ok(layers)
}

#[test]
fn a_later_layer_wins_and_says_so() {
    let mut layers = layers("[commitlog]\nsync = \"batch\"\n").unwrap();
    let variables = [("HELENUS_COMMITLOG__SYNC", "periodic"), ("HOME", "/root")];
    let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    layers.lay_environment(owned.into_iter()).unwrap();
    let settings = Settings::new(layers, 1 << 30).unwrap();
    assert_eq!(settings.commitlog_sync, CommitlogSync::Periodic(Duration::from_secs(1)));
    let (_, value) = settings.layers.iter().find(|(key, _)| *key == "commitlog.sync").unwrap();
    assert_eq!(value.origin.to_string(), "environment HELENUS_COMMITLOG__SYNC");
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    let error = layers("cluster_nam = \"x\"").unwrap_err().to_string();
    assert!(error.contains("unknown setting `cluster_nam`"), "{error}");
    assert!(error.contains("did you mean `cluster_name`"), "{error}");
}

#[test]
fn a_bare_number_has_no_unit() {
    let error = Settings::new(layers("[timeouts]\nread = 5").unwrap(), 1 << 30).unwrap_err();
    assert!(error.to_string().contains("a duration such as 10s"), "{error}");
    assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
    assert_eq!(parse_size("64MiB"), Some(64 << 20));
    assert_eq!(parse_size("64"), None);
    assert_eq!(parse_size("99999999999999999999GiB"), None);
}

#[test]
fn the_defaults_fit() {
    let settings = Settings::new(Layers::default(), 1 << 30).unwrap();
    assert_eq!((settings.peer_port, settings.client_port, settings.http_port), (7000, 9044, 9180));
    assert!(settings.seeds.is_empty());
}

#[test]
fn the_page_of_settings_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        write(path, &page);
    }
    assert_eq!(page, read(path), "UPDATE_GOLDENFILES=1 writes {path} anew");
}

#[test]
fn the_page_of_limits_has_the_table_of_guardrails() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    let (page, table) = (read(path), guardrails());
    let (before, rest) = page.split_once(TABLE).expect("a table of guardrails");
    let after = rest.split_once("\n\n").expect("something after it").1;
    let expected = format!("{before}{table}\n{after}");
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        write(path, &expected);
    }
    assert_eq!(read(path), expected, "UPDATE_GOLDENFILES=1 writes the table in {path} anew");
}

/// Where the table begins.
const TABLE: &str = "| guardrail |";

#[expect(clippy::disallowed_methods, reason = "a test reads and writes the repository itself")]
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test reads and writes the repository itself")]
fn write(path: &str, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_guardrail_has_its_two_settings_and_none_is_left_over() {
    let wanted = RAILS
        .iter()
        .flat_map(|it| ["warn", "fail"].map(|level| format!("guardrails.{}_{level}", it.name)));
    let found = SPECS.iter().map(|it| it.key).filter(|it| it.starts_with("guardrails."));
    assert!(wanted.eq(found.map(str::to_owned)));
}

#[test]
fn a_guardrail_is_off_or_within_the_limits_of_the_house() {
    let limits = |file: &str| {
        let settings = Settings::new(layers(file)?, 1 << 30)?;
        Ok::<_, Error>(settings.guardrails[Guardrail::Columns as usize])
    };
    assert_eq!(limits("").unwrap(), Limits { warn: Some(1_000), fail: Some(10_000) });
    let off = "[guardrails]\ncolumns_warn = \"off\"\ncolumns_fail = 7";
    assert_eq!(limits(off).unwrap(), Limits { warn: None, fail: Some(7) });
    let refused = limits("[guardrails]\ncolumns_fail = 10001").unwrap_err().to_string();
    assert!(refused.contains("at most 10000"), "{refused}");
    let refused =
        limits("[guardrails]\ncolumns_warn = 11\ncolumns_fail = 10").unwrap_err().to_string();
    assert!(refused.contains("columns_warn") && refused.contains("columns_fail"), "{refused}");
}
