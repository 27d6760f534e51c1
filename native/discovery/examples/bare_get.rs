//! A keep-alive GET of a URL and nothing else, for `bench/run`: what TLS and HTTP cost a poll. They are
//! the library's, but what comes is read as it comes, and nothing is made of it.
//!
//!     cargo run --release -p discovery --example bare_get URL SERVICE_ACCOUNT_FOLDER
//!
//! For each line with a number on standard input it does so many GETs, 2 ms apart, and prints their microseconds.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// As the library's.
const BUFFER_BYTES: usize = 32 * 1024;
const PAUSE: Duration = Duration::from_millis(2);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare_get URL SERVICE_ACCOUNT_FOLDER".into());
    };
    let token = fs::read_to_string(Path::new(&folder).join("token"))?;
    let bearer = format!("Bearer {}", token.trim());
    let agent = agent(&Path::new(&folder).join("ca.crt"))?;
    let mut body = Vec::new();
    for line in io::stdin().lock().lines() {
        let count: usize = line?.trim().parse()?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            thread::sleep(PAUSE);
            let started = Instant::now();
            get(&agent, &url, &bearer, &mut body)?;
            times.push(started.elapsed().as_micros().to_string());
        }
        println!("{}", times.join(" "));
        io::stdout().flush()?;
    }
    Ok(())
}

fn get(agent: &Agent, url: &str, bearer: &str, body: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let request = agent.get(url).header("authorization", bearer);
    let response = request.header("accept", "application/vnd.kubernetes.protobuf").call()?;
    body.clear();
    response.into_body().into_reader().read_to_end(body)?;
    Ok(())
}

fn agent(authority: &Path) -> Result<Agent, Box<dyn std::error::Error>> {
    let authority = CertificateDer::from_pem_file(authority)?;
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[
            Certificate::from_der(&authority).to_owned()
        ]))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let settings = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .build();
    Ok(settings.into())
}
