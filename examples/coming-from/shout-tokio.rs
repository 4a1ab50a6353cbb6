// A line server: cargo run -- [port], with tokio, tokio-util and futures-util.
// Every line returns in capitals.
//
// A client has ten seconds for each line. After Ctrl-C, connections have five seconds to finish.
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::{signal, time};
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

async fn shout(stream: TcpStream) -> Result<(), LinesCodecError> {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(1000));
    loop {
        match time::timeout(Duration::from_secs(10), lines.next()).await {
            Ok(Some(line)) => lines.send(line?.to_uppercase()).await?,
            Ok(None) | Err(_) => return Ok(()), // end of file, or too late
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or("25000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let mut handlers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                handlers.spawn(shout(stream));
            }
            Some(ended) = handlers.join_next() => {
                if let Ok(Err(error)) = ended {
                    eprintln!("{error}");
                }
            }
            _ = signal::ctrl_c() => break,
        }
    }
    let drained = async { while handlers.join_next().await.is_some() {} };
    let _ = time::timeout(Duration::from_secs(5), drained).await;
    Ok(())
}
