//! `completions`, `man` and `schema`: the reference in other forms.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::{Cli, key_of};
use crate::config::schema;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::summary::print_text;

/// `completions SHELL`.
pub fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "contactsync", &mut script);
    print_text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// `man`.
pub fn man() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    render(&mut page).map_err(|error| Failure::output(&error))?;
    print_text(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}

/// `schema`.
pub fn schema() -> Result<Exit, Failure> {
    let schema = schema::schema(&help_by_key());
    let text = serde_json::to_string_pretty(&schema).expect("it is JSON");
    print_text(&format!("{text}\n"))?;
    Ok(Exit::Done)
}

/// The help text of each option that can be a key. That of `sync` wins, because another command may have an option of the same
/// name with another meaning.
pub fn help_by_key() -> BTreeMap<String, String> {
    let program = Cli::command();
    let mut help = BTreeMap::new();
    for command in program.get_subcommands().chain(program.find_subcommand("sync")).chain([&program]) {
        for option in command.get_arguments() {
            help.extend(option.get_help().map(|text| (key_of(option), text.to_string())));
        }
    }
    help
}

// One page: the program, then each command with its options.
fn render(page: &mut Vec<u8>) -> io::Result<()> {
    let mut program = Cli::command();
    program.build();
    let man = Man::new(program.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        render_command(page, command)?;
    }
    man.render_extra_section(page)?;
    man.render_version_section(page)
}

// A command, and the commands within it.
fn render_command(page: &mut Vec<u8>, command: &clap::Command) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    writeln!(page, ".SH {}", name.to_uppercase())?;
    if let Some(about) = command.get_about() {
        writeln!(page, "{about}")?;
    }
    let man = Man::new(command.clone());
    let mut sections = Vec::new();
    man.render_synopsis_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    man.render_extra_section(&mut sections)?;
    // A section of the command is a part of its section of the page.
    page.write_all(String::from_utf8_lossy(&sections).replace(".SH ", ".SS ").as_bytes())?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        render_command(page, command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_manual_page_has_every_command_and_option() {
        let mut page = Vec::new();
        render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        let mut program = Cli::command();
        program.build();
        let mut left = vec![&program];
        while let Some(command) = left.pop() {
            let name = command.get_bin_name().unwrap_or("contactsync").to_uppercase();
            let section = page.split_once(&format!(".SH {name}\n")).map_or(page.as_str(), |(_, section)| section);
            assert!(section.len() < page.len() || name == "CONTACTSYNC", "{name}");
            let section = section.split(".SH CONTACTSYNC").next().unwrap();
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(section.contains(&format!("--{option}")), "{name} --{option}");
            }
            left.extend(command.get_subcommands().filter(|command| command.get_name() != "help"));
        }
    }

    #[test]
    fn each_shell_completes_every_command() {
        for &shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "contactsync", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {command}");
            }
            assert!(script.contains("outage-timeout"), "{shell}");
        }
    }
}
