//! Generates the client from the contract (EGGAPI_CONTRACT, else gen/openapi.yaml).
use progenitor::{GenerationSettings, Generator, InterfaceStyle};
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let contract = env::var("EGGAPI_CONTRACT").unwrap_or("../../../gen/openapi.yaml".into());
    println!("cargo::rerun-if-env-changed=EGGAPI_CONTRACT");
    println!("cargo::rerun-if-changed={contract}");

    let spec = serde_yaml::from_str(&fs::read_to_string(contract)?)?;
    let settings = GenerationSettings::new()
        .with_interface(InterfaceStyle::Builder)
        .clone();
    let tokens = Generator::new(&settings).generate_tokens(&spec)?;
    let code = prettyplease::unparse(&syn::parse2(tokens)?);
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("client.rs"), code)?;
    Ok(())
}
