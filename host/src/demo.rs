//! The demo.
pub async fn run(_exit: bool, _offset: u16) -> anyhow::Result<()> {
    Ok(())
}
