//! Annotation files in MIT format: beats and other labels at sample numbers.

use super::WfdbError;

/// Most annotations that are read: ten beats a second for 30 hours.
pub const MAX_ANNOTATIONS: usize = 1 << 20;

/// A label at a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Sample number, from 0, at the rate of the record.
    pub sample: u64,
    /// What is there.
    pub code: AnnotationCode,
    /// Text with it, for instance a rhythm: `(AFIB`.
    pub text: String,
}

/// Code of an annotation (`ecgcodes.h` of the WFDB library).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnnotationCode(pub u8);

impl AnnotationCode {
    /// The beginning of a wave.
    pub const WAVE_ONSET: Self = Self(39);
    /// The end of a wave.
    pub const WAVE_END: Self = Self(40);

    /// The customary symbol; a blank for a code that has none.
    pub fn symbol(self) -> char {
        const SYMBOLS: &[u8; 42] = b" NLRaVFJASEj/Q~ | sT*D\"=pB^t+u?![]en@xf()r";
        SYMBOLS
            .get(usize::from(self.0))
            .map_or(' ', |byte| char::from(*byte))
    }

    /// Whether it labels a beat (AAMI EC57: rhythm, noise and wave labels are none).
    pub fn is_beat(self) -> bool {
        matches!(
            self.symbol(),
            'N' | 'L' | 'R' | 'B' | 'A' | 'a' | 'J' | 'S' | 'V' | 'r' | 'F' | 'e' | 'j'
        ) || matches!(self.symbol(), 'n' | 'E' | '/' | 'f' | 'Q' | '?')
    }
}

/// Reads an annotation file.
pub fn read_annotations(bytes: &[u8]) -> Result<Vec<Annotation>, WfdbError> {
    const SKIP: u8 = 59;
    const NUM: u8 = 60;
    const SUB: u8 = 61;
    const CHN: u8 = 62;
    const AUX: u8 = 63;
    const NOTE: u8 = 22;
    let mut words = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let mut next = move || words.next();
    let mut annotations: Vec<Annotation> = Vec::new();
    let mut sample: i64 = 0;
    while let Some(word) = next() {
        if word == 0 {
            break;
        }
        let (code, low) = ((word >> 10) as u8, word & 0x3ff);
        match code {
            SKIP => {
                let (high, low) = (
                    next().ok_or(WfdbError::CutAnnotation)?,
                    next().ok_or(WfdbError::CutAnnotation)?,
                );
                let step = (u32::from(high) << 16 | u32::from(low)) as i32;
                sample = sample.saturating_add(i64::from(step));
            }
            NUM | SUB | CHN => {}
            AUX => {
                let mut text = Vec::with_capacity(usize::from(low) + 1);
                for _ in 0..low.div_ceil(2) {
                    text.extend_from_slice(&next().ok_or(WfdbError::CutAnnotation)?.to_le_bytes());
                }
                text.truncate(usize::from(low));
                if let Some(last) = annotations.last_mut() {
                    let text = String::from_utf8_lossy(&text);
                    last.text = text.trim_end_matches('\0').to_owned();
                }
            }
            code => {
                sample = sample.saturating_add(i64::from(low));
                if annotations.len() == MAX_ANNOTATIONS {
                    return Err(WfdbError::TooManyAnnotations);
                }
                let at = u64::try_from(sample).unwrap_or(0);
                annotations.push(Annotation {
                    sample: at,
                    code: AnnotationCode(code),
                    text: String::new(),
                });
            }
        }
    }
    // Some writers begin with a note on their time resolution; it labels no sample.
    annotations.retain(|one| !(one.code.0 == NOTE && one.sample == 0 && one.text.starts_with("##")));
    Ok(annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn beats_long_steps_and_texts_are_read() {
        let text = u16::from_le_bytes(*b"(N");
        let file = bytes(&[
            28 << 10 | 18,
            63 << 10 | 2,
            text, // rhythm at 18
            1 << 10 | 59,
            61 << 10, // normal beat at 77
            59 << 10,
            1,
            0,           // 65,536 samples on
            5 << 10 | 3, // premature beat
            0,
            1 << 10 | 1,
        ]);
        let read = read_annotations(&file).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(
            (read[0].sample, read[0].code.symbol(), read[0].text.as_str()),
            (18, '+', "(N")
        );
        assert_eq!((read[1].sample, read[1].code.symbol()), (77, 'N'));
        assert_eq!((read[2].sample, read[2].code.symbol()), (65_616, 'V'));
        assert_eq!(
            read.iter().map(|one| one.code.is_beat()).collect::<Vec<_>>(),
            [false, true, true]
        );
    }

    #[test]
    fn a_note_on_the_resolution_is_no_annotation() {
        let note = b"## time resolution: 500\0";
        let mut file = bytes(&[22 << 10, 63 << 10 | 23]);
        file.extend_from_slice(note);
        file.extend_from_slice(&bytes(&[1 << 10 | 5, 0]));
        let read = read_annotations(&file).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].sample, 5);
    }

    #[test]
    fn the_symbols_stand_at_their_codes() {
        let expected = [
            (1, 'N'),
            (8, 'A'),
            (12, '/'),
            (14, '~'),
            (16, '|'),
            (24, 'p'),
            (28, '+'),
            (31, '!'),
        ];
        for (code, symbol) in
            expected
                .into_iter()
                .chain([(22, '"'), (34, 'e'), (38, 'f'), (39, '('), (41, 'r')])
        {
            assert_eq!(AnnotationCode(code).symbol(), symbol);
        }
        assert_eq!(AnnotationCode(60).symbol(), ' ');
    }

    #[test]
    fn a_cut_file_is_said() {
        assert_eq!(
            read_annotations(&bytes(&[59 << 10, 1])),
            Err(WfdbError::CutAnnotation)
        );
        assert_eq!(
            read_annotations(&bytes(&[63 << 10 | 9, 1])),
            Err(WfdbError::CutAnnotation)
        );
    }
}
