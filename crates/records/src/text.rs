//! Texts as people and programs type them, brought to one form.
//!
//! Chinese input methods write full-width digits and several middle dots; texts copied out of PDFs hold radicals
//! in place of characters. What is stored keeps the form as written (tidied); what is compared and searched is
//! folded.

use unicode_normalization::UnicodeNormalization;

/// The middle dot of minority names.
pub const MIDDLE_DOT: char = '\u{b7}';

/// Most characters of a search text that are looked at.
pub const SEARCH_CHARS_MAX: usize = 64;

/// The unified characters of the Kangxi radicals U+2F00 to U+2FD5, in their order (Unicode, compatibility
/// decompositions of that block).
const KANGXI: &str = "一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾\
                      干幺广廴廾弋弓彐彡彳心戈戶手支攴文斗斤方无日曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白\
                      皮皿目矛矢石示禸禾穴立竹米糸缶网羊羽老而耒耳聿肉臣自至臼舌舛舟艮色艸虍虫血行衣襾見角言谷豆豕豸貝赤走足身車辛辰辵\
                      邑酉釆里金長門阜隶隹雨靑非面革韋韭音頁風飛食首香馬骨高髟鬥鬯鬲鬼魚鳥鹵鹿麥麻黃黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠";

/// Radicals of the supplement U+2E80 to U+2EF3 that stand for a whole character, with that character (Unicode
/// Character Database, EquivalentUnifiedIdeograph).
const RADICALS: &str = "⺁厂⺊卜⺎兀⺒巳⺓幺⺛旡⺜日⺝月⺟母⺠民⺧牛⺩王⺪疋⺬示⺶羊⺷羊⺻聿⺼肉⺽臼⻁虎⻄西⻅见⻆角⻇角\
                        ⻉贝⻊足⻋车⻏邑⻑長⻓长⻔门⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻞食⻟飠⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻬齐⻮齿⻰龙⻳龟";

/// Two forms of one character that fonts and input methods mix; folded for search only.
const VARIANTS: &str = "戶户靑青黃黄";

fn paired(pairs: &str, from: char) -> Option<char> {
    let mut chars = pairs.chars();
    while let (Some(left), Some(right)) = (chars.next(), chars.next()) {
        if left == from {
            return Some(right);
        }
    }
    None
}

fn unified(c: char) -> char {
    match c {
        '\u{2f00}'..='\u{2fd5}' => KANGXI.chars().nth(c as usize - 0x2f00).unwrap_or(c),
        '\u{2e80}'..='\u{2ef3}' => paired(RADICALS, c).unwrap_or(c),
        _ => c,
    }
}

/// Full-width forms of ASCII to ASCII, the ideographic space to a space.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' => ' ',
        _ => c,
    }
}

/// Whether this is one of the marks that are used as middle dot in names.
fn is_dot(c: char) -> bool {
    matches!(
        c,
        '\u{b7}' | '\u{2027}' | '\u{2022}' | '\u{30fb}' | '\u{ff0e}' | '\u{2219}' | '\u{22c5}' | '\u{ff65}'
    )
}

/// Characters that show nothing: they come along when text is pasted.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
        || (c.is_control() && c != '\n' && c != '\t')
}

/// Whether this is a Chinese character (the ideographs of Unicode, 〇 included).
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// One form for fields of one line: full-width to half-width, radicals to characters, composed (NFC), without
/// invisible characters and outer spaces. Dots stay what they are: in numbers they are points.
pub fn fold(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| unified(half_width(c)))
        .collect();
    let composed: String = plain.nfc().collect();
    composed.trim().to_owned()
}

/// A name as it is stored: folded, the marks between its parts one middle dot, no space beside a dot or between
/// two Chinese characters. The full-width stop is a dot here.
pub fn fold_name(name: &str) -> String {
    let dotted: String = name
        .chars()
        .map(|c| if is_dot(c) { MIDDLE_DOT } else { c })
        .collect();
    let folded: Vec<char> = fold(&dotted)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    let mut tidy = String::with_capacity(folded.len() * 3);
    for (at, c) in folded.iter().copied().enumerate() {
        let before = tidy.chars().next_back();
        let after = folded[at..].iter().copied().find(|c| *c != ' ');
        let inner = |c: Option<char>| c.is_none_or(|c| is_han(c) || c == MIDDLE_DOT);
        if c == ' ' && (before == Some(' ') || (inner(before) && inner(after)) || after == Some(MIDDLE_DOT)) {
            continue;
        }
        if c == ' ' && before == Some(MIDDLE_DOT) {
            continue;
        }
        let hyphen_in_han =
            c == '-' && before.is_some_and(is_han) && folded.get(at + 1).copied().is_some_and(is_han);
        tidy.push(if hyphen_in_han { MIDDLE_DOT } else { c });
    }
    tidy
}

/// The form that is searched: folded, lower case, without spaces and without the dots of names.
pub fn fold_search(text: &str) -> String {
    let folded = fold_name(text);
    let kept = folded.chars().filter(|c| *c != MIDDLE_DOT && !c.is_whitespace());
    let variant = kept.map(|c| paired(VARIANTS, c).unwrap_or(c));
    variant
        .take(SEARCH_CHARS_MAX)
        .flat_map(char::to_lowercase)
        .collect()
}

/// A text of several lines as it is stored: folded line ends, no invisible characters, no outer white space; what
/// the writer typed is otherwise kept, full-width punctuation included.
pub fn tidy(text: &str) -> String {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let plain: String = unix.chars().filter(|c| !is_invisible(*c)).map(unified).collect();
    let composed: String = plain.nfc().collect();
    composed.trim().to_owned()
}

/// A number typed with at most `decimals` decimal places, as an integer of that scale: `３６。５` with one decimal
/// is 365. A Chinese full stop, a comma or a middle dot counts as the point. `None` where it is no such number.
pub fn parse_number(text: &str, decimals: usize) -> Option<i64> {
    let folded = fold(text);
    let pointed: String = folded
        .chars()
        .map(|c| {
            if matches!(c, '。' | ',' | '，' | '、') || is_dot(c) {
                '.'
            } else {
                c
            }
        })
        .collect();
    let (sign, digits) = match pointed.strip_prefix(['-', '−']) {
        Some(rest) => (-1, rest),
        None => (1, pointed.strip_prefix('+').unwrap_or(&pointed)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let part = part.trim_end_matches('0');
    if whole.is_empty()
        || whole.len() > 12
        || part.len() > decimals.min(6)
        || !all_digits(whole)
        || !all_digits(part)
    {
        return None;
    }
    let padded = format!("{whole}{part:0<decimals$}");
    padded.parse::<i64>().ok().map(|number| sign * number)
}

/// Two whole numbers with a slash between, as a blood pressure is typed: `１３８／８８` is (138, 88).
pub fn parse_pair(text: &str) -> Option<(i64, i64)> {
    let folded = fold(text);
    let (left, right) = folded.split_once(['/', '\\', '|', '-', ' '])?;
    Some((parse_number(left, 0)?, parse_number(right, 0)?))
}

/// Digits of a telephone number, a leading plus kept; spaces, hyphens and brackets go.
pub fn fold_phone(text: &str) -> String {
    fold(text)
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '（' | '）' | '–' | '—'))
        .collect()
}

/// Entry for fuzzing: no text makes folding panic, and folding twice is folding once.
pub fn fuzz_one(text: &str) {
    let once = fold(text);
    assert_eq!(fold(&once), once, "folding again changed the text");
    let name = fold_name(text);
    assert_eq!(fold_name(&name), name, "folding again changed the name");
    let _ = (
        fold_search(text),
        tidy(text),
        parse_number(text, 2),
        parse_pair(text),
        fold_phone(text),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn full_width_numbers_are_numbers() {
        assert_eq!(parse_number("３６。５", 1), Some(365));
        assert_eq!(parse_number("６２．５", 2), Some(6250));
        assert_eq!(parse_number("36", 1), Some(360));
        assert_eq!(parse_number("36.50", 1), Some(365));
        assert_eq!(parse_number("-0.5", 1), Some(-5));
        assert_eq!(parse_pair("１３８／８８"), Some((138, 88)));
        assert_eq!(fold_phone("１３８００００００００"), "13800000000");
        for bad in [
            "",
            ".",
            "1.2.3",
            "36.55",
            "３6度",
            "1e5",
            "９９９９９９９９９９９９９９",
            "--1",
        ] {
            assert_eq!(parse_number(bad, 1), None, "{bad}");
        }
        assert_eq!(parse_pair("138"), None);
    }

    #[test]
    fn names_are_folded_as_the_vectors_say() {
        let lines = crate::tables::rows(include_str!("../tables/identity_test_vectors.csv"));
        let names: Vec<_> = lines.iter().filter(|line| line[0] == "name_normalise").collect();
        assert!(names.len() >= 10);
        for line in names {
            assert_eq!(fold_name(&line[1]), line[2], "{}", line[5]);
        }
    }

    #[test]
    fn every_middle_dot_is_one() {
        for dot in ['·', '‧', '•', '・', '．', '∙', '⋅', '･'] {
            assert_eq!(fold_name(&format!("古丽{dot}示例")), "古丽·示例", "{dot:?}");
            assert_eq!(fold_search(&format!("古丽 {dot} 示例")), "古丽示例", "{dot:?}");
        }
        assert_eq!(fold_name("Anna  Maria"), "Anna Maria");
    }

    #[test]
    fn radicals_copied_from_a_pdf_are_characters() {
        assert_eq!(fold("⻝⽂⽅⼀⽴"), "食文方一立");
        assert_eq!(fold("⻢⻰"), "马龙");
        assert_eq!(fold("⿕"), "龠");
        assert_eq!(fold_search("⼾"), "户");
        assert_eq!(KANGXI.chars().count(), 214);
    }

    #[test]
    fn rare_characters_and_line_breaks_survive() {
        assert_eq!(fold_name("𬱖某"), "𬱖某");
        assert_eq!(tidy(" 咳嗽，\r\n3天 "), "咳嗽，\n3天");
        assert_eq!(fold("\u{feff}王\u{200b}五"), "王五");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn folding_is_idempotent(text in "(\\PC|[ 　·•．\\-张三〇⻝⽂é]){0,16}") {
            fuzz_one(&text);
        }
    }
}
