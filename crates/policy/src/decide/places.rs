//! Where a session is: a server for each `to` that it has reached.

/// So many are kept of one session; the one that was set first goes first.
pub const PLACES_MAX: usize = 8;

/// The server of a session within one `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The `to`: a hash of its pools' names, whatever their order and shares.
    pub to: u32,
    /// The identity of a server, which names its pool too.
    pub server: u64,
}

/// The places of one session, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(Vec<Place>);

impl Places {
    /// The identity of the server within that `to`.
    pub fn server(&self, to: u32) -> Option<u64> {
        self.0.iter().find(|place| place.to == to).map(|place| place.server)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Place> + ExactSizeIterator + '_ {
        self.0.iter().copied()
    }

    /// Sets the place within its `to`.
    pub fn set(&mut self, place: Place) {
        self.0.retain(|other| other.to != place.to);
        if self.0.len() == PLACES_MAX {
            self.0.remove(0);
        }
        self.0.push(place);
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Places {
        let mut all = Places::default();
        places.into_iter().for_each(|place| all.set(place));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_for_each_to_and_no_more_than_the_bound() {
        let place = |to, server| Place { to, server };
        let mut places: Places = (0..8).map(|to| place(to, 100)).collect();
        places.set(place(0, 200));
        assert_eq!((places.server(0), places.server(1), places.iter().len()), (Some(200), Some(100), 8));
        places.set(place(8, 300));
        assert_eq!((places.server(0), places.server(1), places.server(8)), (Some(200), None, Some(300)));
        assert_eq!(places.iter().len(), PLACES_MAX);
    }
}
