//! The theme file.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use super::{ColorLevel, Role, parse_color};

/// Why a theme file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadTheme {
    /// It is no TOML, or has keys that no theme has.
    #[error("the theme file is not readable: {0}")]
    Syntax(String),
    /// A colour that is neither in the palette nor a colour.
    #[error(
        "the role {role} has the unknown colour {color:?}: write #rrggbb, 0 to 255, an ANSI name, or a name of [palette]"
    )]
    Color {
        /// The role.
        role: String,
        /// What was written.
        color: String,
    },
    /// A role that does not exist.
    #[error("there is no role {0:?}")]
    Role(String),
    /// A modifier that does not exist.
    #[error(
        "the role {role} has the unknown modifier {modifier:?}: there are bold, dim, italic, underline, reverse"
    )]
    Modifier {
        /// The role.
        role: String,
        /// What was written.
        modifier: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    #[serde(default)]
    roles: BTreeMap<String, Look>,
    #[serde(default)]
    ansi16: BTreeMap<String, Look>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Look {
    Color(String),
    Full {
        fg: Option<String>,
        bg: Option<String>,
        #[serde(default)]
        mods: Vec<String>,
    },
}

/// The looks by the names of their roles.
pub(super) fn read(source: &str, level: ColorLevel) -> Result<BTreeMap<String, Style>, BadTheme> {
    let file: File = toml::from_str(source).map_err(|error| {
        let text = error.to_string();
        BadTheme::Syntax(text.lines().next().unwrap_or(&text).to_owned())
    })?;
    let mut looks = BTreeMap::new();
    let overrides = (level == ColorLevel::Ansi16).then_some(&file.ansi16);
    for (role, look) in file.roles.iter().chain(overrides.into_iter().flatten()) {
        if !Role::ALL.iter().any(|known| known.name() == role) {
            return Err(BadTheme::Role(role.clone()));
        }
        looks.insert(role.clone(), style(role, look, &file.palette, level)?);
    }
    Ok(looks)
}

fn style(
    role: &str,
    look: &Look,
    palette: &BTreeMap<String, String>,
    level: ColorLevel,
) -> Result<Style, BadTheme> {
    let color = |name: &str| -> Result<Color, BadTheme> {
        let text = palette.get(name).map_or(name, String::as_str);
        let color = parse_color(text).ok_or_else(|| BadTheme::Color {
            role: role.to_owned(),
            color: name.to_owned(),
        })?;
        Ok(level.map(color))
    };
    let mut style = Style::new();
    match look {
        Look::Color(fg) => style = style.fg(color(fg)?),
        Look::Full { fg, bg, mods } => {
            if let Some(fg) = fg {
                style = style.fg(color(fg)?);
            }
            if let Some(bg) = bg {
                style = style.bg(color(bg)?);
            }
            for name in mods {
                style = style.add_modifier(modifier(role, name)?);
            }
        }
    }
    Ok(style)
}

fn modifier(role: &str, name: &str) -> Result<Modifier, BadTheme> {
    match name {
        "bold" => Ok(Modifier::BOLD),
        "dim" => Ok(Modifier::DIM),
        "italic" => Ok(Modifier::ITALIC),
        "underline" => Ok(Modifier::UNDERLINED),
        "reverse" => Ok(Modifier::REVERSED),
        _ => Err(BadTheme::Modifier {
            role: role.to_owned(),
            modifier: name.to_owned(),
        }),
    }
}
