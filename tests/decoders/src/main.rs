//! Writes the seeds of the corpus; see `tests/fuzz/README.md`.

use std::fs;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    for target in decoders::TARGETS {
        let folder = decoders::corpus_of(target.name);
        fs::create_dir_all(&folder)?;
        for seed in decoders::seeds::of(target.name).with_context(|| target.name)? {
            let name = hex::encode(&blake3::hash(&seed).as_bytes()[..6]);
            fs::write(folder.join(name), seed)?;
        }
    }
    Ok(())
}
