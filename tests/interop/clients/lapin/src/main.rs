//! Logs in by the module that was emitted.
#![deny(warnings)]

mod amqps;

#[tokio::main]
async fn main() {
    let connected = match amqps::connect().await {
        Ok(connection) => connection.close(200, "".into()).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match connected {
        Ok(()) => println!("logged in"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
