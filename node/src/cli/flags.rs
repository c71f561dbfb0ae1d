//! Flags, made of the table of settings.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, parser::ValueSource};

use crate::config::{SPECS, Spec};

/// The settings that were given as flags.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags {
    /// Key, value, and the flag as it was written.
    pub(super) given: Vec<(&'static str, String, String)>,
}

fn arg(spec: &'static Spec) -> Arg {
    let arg = Arg::new(spec.key).long(spec.flag()).help(spec.about.trim_end_matches('.'));
    let arg = arg.hide_short_help(spec.is_advanced());
    if spec.value.is_empty() {
        arg.action(ArgAction::SetTrue)
    } else {
        // `-1` is a bad value of this flag, not a flag.
        arg.value_name(spec.value).allow_negative_numbers(true)
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(SPECS.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for spec in SPECS {
            if matches.value_source(spec.key) != Some(ValueSource::CommandLine) {
                continue;
            }
            let text = match spec.value {
                "" => "true".to_owned(),
                _ => matches.get_one::<String>(spec.key).cloned().unwrap_or_default(),
            };
            self.given.push((spec.key, text, format!("--{}", spec.flag())));
        }
        Ok(())
    }
}
