//! Placeholder.
pub fn quick() -> Result<(), String> {
    Err(String::new())
}
