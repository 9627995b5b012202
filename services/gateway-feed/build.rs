//! Compresses the descriptions of the API and their page. They are large, and hardly anyone reads them. So
//! the binary has them in compressed form only.

use std::io::Write as _;
use std::path::Path;
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

const FILES: [&str; 4] = [
    "openapi/gateway-v1.yml",
    "openapi/oasis-v1.yml",
    "openapi/streams-v1.yml",
    "console/app/docs/docs.html",
];

fn main() -> io::Result<()> {
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    for file in FILES {
        let path = Path::new("../..").join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().ok_or_else(|| io::Error::other("a file has a name"))?;
        let packed = fs::File::create(Path::new(&folder).join(name).with_added_extension("gz"))?;
        let mut encoder = GzEncoder::new(packed, Compression::best());
        encoder.write_all(&fs::read(&path)?)?;
        encoder.finish()?;
    }
    Ok(())
}
