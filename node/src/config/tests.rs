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
