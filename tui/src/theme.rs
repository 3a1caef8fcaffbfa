//! Colours by meaning. A view names a [`Role`], a theme says how the role looks.
//!
//! A theme is one TOML file: a palette, roles, and how roles look with 16 colours. A theme in
//! 24-bit colour always loads: it is mapped down to what the terminal has. With `NO_COLOR` a fixed
//! look without colours is used, where bold and reverse carry what matters.

mod color;
mod file;

pub use color::ColorLevel;
pub(crate) use color::parse_color;
pub(crate) use file::BadTheme;

use ratatui::style::{Modifier, Style};

macro_rules! roles {
    ($($role:ident = $name:literal $(falls back to $fallback:ident)?;)*) => {
        /// What a piece of the screen means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Role {
            $(#[doc = concat!("`", $name, "`")] $role,)*
        }

        impl Role {
            /// All roles.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$role,)*];

            /// The name in a theme file.
            #[must_use]
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$role => $name,)* }
            }

            /// The role whose look it has where the theme says nothing.
            #[must_use]
            pub(crate) fn fallback(self) -> Option<Self> {
                match self { $(Self::$role => roles!(@fallback $($fallback)?),)* }
            }
        }
    };
    (@fallback) => { None };
    (@fallback $role:ident) => { Some(Self::$role) };
}

roles! {
    Background = "background";
    Text = "text";
    Muted = "muted" falls back to Text;
    Faint = "faint" falls back to Muted;
    Title = "title" falls back to Text;
    Border = "border" falls back to Faint;
    Accent = "accent" falls back to Text;
    Key = "key" falls back to Accent;
    Selection = "selection";
    Match = "match";
    Header = "header";
    Tab = "tab" falls back to Muted;
    TabActive = "tab.active" falls back to Text;
    Input = "input" falls back to Text;
    ToastInfo = "toast.info" falls back to Text;
    ToastGood = "toast.good" falls back to Text;
    ToastWarn = "toast.warn" falls back to Text;
    ToastError = "toast.error" falls back to Text;
    Working = "status.working" falls back to Text;
    Idle = "status.idle" falls back to Muted;
    Starting = "status.starting" falls back to Text;
    Attention = "status.attention" falls back to Text;
    Blocked = "status.blocked" falls back to Text;
    Failed = "status.error" falls back to Text;
    Done = "status.done" falls back to Text;
    Review = "status.review" falls back to Text;
    Assigned = "status.assigned" falls back to Text;
    Stopped = "status.stopped" falls back to Muted;
    Unknown = "status.unknown" falls back to Text;
    LogWarn = "log.warn" falls back to Text;
    LogError = "log.error" falls back to Text;
    LogTime = "log.time" falls back to Muted;
    CostNear = "cost.near" falls back to Text;
    CostOver = "cost.over" falls back to Text;
    Chart = "chart" falls back to Accent;
    DiffAdd = "diff.add" falls back to Text;
    DiffDel = "diff.del" falls back to Text;
    DiffHunk = "diff.hunk" falls back to Muted;
}

/// The themes that come with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    /// Light on dark.
    #[default]
    Night,
    /// Dark on light.
    Paper,
}

impl ThemeName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Night, Self::Paper];

    /// The word for `--theme` and `:theme`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Night => "night",
            Self::Paper => "paper",
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Night => Self::Paper,
            Self::Paper => Self::Night,
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Night => include_str!("../../themes/night.toml"),
            Self::Paper => include_str!("../../themes/paper.toml"),
        }
    }
}

impl std::str::FromStr for ThemeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|theme| theme.as_str() == text)
            .ok_or_else(|| "the themes are night and paper".to_owned())
    }
}

/// How every role looks on this terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Theme {
    styles: Vec<Style>,
}

impl Theme {
    /// A theme that comes with the program, mapped to what the terminal can show.
    #[must_use]
    pub(crate) fn built_in(name: ThemeName, level: ColorLevel) -> Self {
        if level == ColorLevel::None {
            return Self::mono();
        }
        // That the shipped files parse is a test; a broken one would still give a usable screen.
        Self::parse(name.source(), level).unwrap_or_else(|_| Self::mono())
    }

    /// Reads a theme file.
    ///
    /// # Errors
    /// Says what is wrong with the file, and where.
    pub(crate) fn parse(source: &str, level: ColorLevel) -> Result<Self, BadTheme> {
        let looks = file::read(source, level)?;
        let styles = Role::ALL
            .iter()
            .map(|role| {
                let mut role = *role;
                loop {
                    if let Some(style) = looks.get(role.name()) {
                        return *style;
                    }
                    match role.fallback() {
                        Some(next) => role = next,
                        None => return Style::new(),
                    }
                }
            })
            .collect();
        Ok(Self { styles })
    }

    /// The look without colours.
    #[must_use]
    pub(crate) fn mono() -> Self {
        let styles = Role::ALL.iter().map(|role| mono(*role)).collect();
        Self { styles }
    }

    /// How a role looks, to be laid over what is there.
    #[must_use]
    pub(crate) fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// The colour behind everything.
    #[cfg(test)]
    pub(crate) fn background(&self) -> ratatui::style::Color {
        self.style(Role::Background).bg.unwrap_or_default()
    }
}

fn mono(role: Role) -> Style {
    let mods = match role {
        Role::Attention | Role::Selection | Role::Match => Modifier::REVERSED,
        Role::Title | Role::Key | Role::TabActive | Role::Header | Role::Failed => Modifier::BOLD,
        Role::ToastError | Role::ToastWarn | Role::LogError | Role::CostOver => Modifier::BOLD,
        Role::Muted | Role::Faint | Role::Border | Role::Idle | Role::Stopped => Modifier::DIM,
        Role::LogTime | Role::Tab | Role::DiffHunk => Modifier::DIM,
        Role::Background
        | Role::Text
        | Role::Accent
        | Role::Input
        | Role::ToastInfo
        | Role::ToastGood
        | Role::Working
        | Role::Starting
        | Role::Blocked
        | Role::Done
        | Role::Review
        | Role::Assigned
        | Role::Unknown
        | Role::LogWarn
        | Role::CostNear
        | Role::Chart
        | Role::DiffAdd
        | Role::DiffDel => Modifier::empty(),
    };
    Style::new().add_modifier(mods)
}

#[cfg(test)]
mod tests {
    use ratatui::style::Color;

    use super::*;

    fn luminance(color: Color) -> f64 {
        let Color::Rgb(r, g, b) = color else {
            panic!("{color:?} is no 24-bit colour")
        };
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn contrast(one: Color, other: Color) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_shipped_theme_parses_at_every_level() {
        for name in ThemeName::ALL {
            for level in [ColorLevel::Ansi16, ColorLevel::Ansi256, ColorLevel::True] {
                Theme::parse(name.source(), level).expect("a shipped theme parses");
            }
        }
    }

    #[test]
    fn what_carries_information_can_be_read() {
        for name in ThemeName::ALL {
            let theme = Theme::built_in(name, ColorLevel::True);
            let back = theme.background();
            let selected = theme.style(Role::Selection).bg.expect("a background");
            for role in Role::ALL {
                let decoration = [Role::Faint, Role::Border].contains(role);
                let Some(color) = theme.style(*role).fg.filter(|_| !decoration) else {
                    continue;
                };
                let floor = if *role == Role::Text { 7.0 } else { 4.5 };
                let on = theme.style(*role).bg.unwrap_or(back);
                let ratio = contrast(color, on);
                assert!(
                    ratio >= floor,
                    "{} {}: {ratio:.1}",
                    name.as_str(),
                    role.name()
                );
                let ratio = contrast(color, theme.style(*role).bg.unwrap_or(selected));
                assert!(ratio >= 3.0, "{} {} selected", name.as_str(), role.name());
            }
        }
    }

    #[test]
    fn without_colours_no_colour_is_set() {
        let theme = Theme::built_in(ThemeName::Night, ColorLevel::None);
        for role in Role::ALL {
            assert_eq!((theme.style(*role).fg, theme.style(*role).bg), (None, None));
        }
        assert!(
            theme
                .style(Role::Attention)
                .add_modifier
                .contains(Modifier::REVERSED)
        );
    }

    #[test]
    fn a_broken_theme_says_what_and_where() {
        let wrong = |source: &str| Theme::parse(source, ColorLevel::True).expect_err("broken");
        assert!(
            wrong("[roles]\ntext = \"mauve\"")
                .to_string()
                .contains("mauve")
        );
        assert!(
            wrong("[roles]\ncolour = \"red\"")
                .to_string()
                .contains("colour")
        );
        assert!(wrong("[roles\n").to_string().contains("line 1"));
    }
}
