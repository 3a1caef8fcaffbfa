//! Which characters can be seen.
//!
//! The rule is not "what is assigned": a character of next year's Unicode shows as a box, and a box
//! is visible. Out goes what shows as nothing, or changes how its neighbours show.

/// Joins emoji into one; kept only there.
pub(super) const JOINER: char = '\u{200d}';

const TAB: &str = "    ";

/// The text without what cannot be seen; line ends are `\n`, every other space is `' '`.
pub(super) fn seen(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\u{2028}' | '\u{2029}' | '\u{85}' => seen.push('\n'),
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    seen.push('\n');
                }
            }
            '\t' => seen.push_str(TAB),
            JOINER => {
                let after = chars.peek().is_some_and(|next| is_pictograph(*next));
                if after && ends_with_emoji(&seen) {
                    seen.push(c);
                }
            }
            // Text or emoji presentation of the character before.
            '\u{fe0e}' | '\u{fe0f}' => {
                if seen.ends_with(|last| is_pictograph(last) || "0123456789#*".contains(last)) {
                    seen.push(c);
                }
            }
            c if is_unseen(c) => {}
            c if c.is_whitespace() || c == '\u{2800}' => seen.push(' '),
            c => seen.push(c),
        }
    }
    seen
}

fn ends_with_emoji(text: &str) -> bool {
    text.trim_end_matches('\u{fe0f}').ends_with(is_pictograph)
}

/// Controls, format characters (bidirectional ones among them), private use, non-characters, the
/// planes that are empty or hold only tags and selectors, and letters that show as nothing.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff)
        || matches!(c,
            '\u{ad}' // soft hyphen
            | '\u{34f}' // grapheme joiner
            | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' // Hangul fillers
            | '\u{17b4}'..='\u{17b5}' // Khmer inherent vowels
            | '\u{180b}'..='\u{180f}' // Mongolian selectors
            | '\u{200b}'..='\u{200f}' // zero width, marks of direction
            | '\u{202a}'..='\u{202e}' // embeddings, overrides
            | '\u{2060}'..='\u{206f}' // joiners, invisible operators, isolates
            | '\u{3164}' // Hangul filler
            | '\u{e000}'..='\u{f8ff}' // private use
            | '\u{fdd0}'..='\u{fdef}' // non-characters
            | '\u{fe00}'..='\u{fe0d}' // variation selectors
            | '\u{feff}' // byte order mark
            | '\u{ffa0}' // half-width Hangul filler
            | '\u{fff0}'..='\u{fffc}' // reserved, annotations, object replacement
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' // number signs, hieroglyph joiners
            | '\u{16fe4}' // Khitan filler
            | '\u{1bca0}'..='\u{1bca3}' // shorthand format
            | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' // musical null head, beams
            | '\u{40000}'..='\u{10ffff}' // empty planes, tags, selectors 17 and up, private use
        )
}

/// Roughly the characters that emoji are made of: where a joiner may stand.
fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2194}'..='\u{21aa}' | '\u{231a}'..='\u{23ff}' | '\u{24c2}'
        | '\u{25aa}'..='\u{25fe}' | '\u{2600}'..='\u{27bf}' | '\u{2934}'..='\u{2935}'
        | '\u{2b05}'..='\u{2b55}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}'
    )
}
