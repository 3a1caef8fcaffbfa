//! Who somebody is, and what they may do here.

use cloud_code_domain::issue::{Actor, Permission};
use http::StatusCode;

use super::call::encoded;
use super::client::Client;
use super::trouble::Failure;
use super::wire::{CollaboratorPermission, User};
use crate::ports::Trouble;

/// Looks people up, each once.
#[derive(Debug)]
pub(super) struct People<'a> {
    client: &'a Client,
    known: Vec<(u64, Permission)>,
}

impl<'a> People<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self {
            client,
            known: Vec::new(),
        }
    }

    /// The person with their permission. `by_app`: an app acted in their name, which makes it the
    /// app's act: whoever steers the app would else speak with the person's rights.
    ///
    /// # Errors
    ///
    /// `Later` where the permission could not be asked for: nobody is trusted meanwhile.
    pub(super) async fn actor(&mut self, user: &User, by_app: bool) -> Result<Actor, Trouble> {
        let bot = by_app || is_bot(user);
        let permission = if bot {
            Permission::None
        } else {
            self.permission(user).await?
        };
        Ok(Actor {
            login: user.login.clone(),
            id: user.id,
            permission,
            bot,
        })
    }

    async fn permission(&mut self, user: &User) -> Result<Permission, Trouble> {
        if let Some((_, permission)) = self.known.iter().find(|(id, _)| *id == user.id) {
            return Ok(*permission);
        }
        let path = format!("collaborators/{}/permission", encoded(&user.login));
        let permission = match self.client.get::<CollaboratorPermission>(&path).await {
            Ok(answer) if answer.user.is_none() && self.is_still(user).await? => told(&answer),
            Ok(answer) => permission_of(user, &answer),
            Err(failure) if failure.is_absent() => Permission::None,
            Err(failure) => return Err(fail_closed(failure)),
        };
        self.known.push((user.id, permission));
        Ok(permission)
    }
}

impl People<'_> {
    /// Whether the login is still this user's: asked where a permission does not say whose it is.
    async fn is_still(&self, user: &User) -> Result<bool, Trouble> {
        match self.client.user(&user.login).await {
            Ok(found) => Ok(found.id == user.id),
            Err(failure) if failure.is_absent() => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Without the right to ask for permissions nobody can be trusted, which an operator can mend.
fn fail_closed(failure: Failure) -> Trouble {
    match (failure.status, failure.trouble) {
        (Some(StatusCode::FORBIDDEN), Trouble::Later { what, until: None }) => Trouble::Later {
            what: format!("{what}. The token needs to read the repository's collaborators"),
            until: None,
        },
        (_, trouble) => trouble,
    }
}

/// Anything but a user that GitHub calls one. Where it does not say, the login does: no person's has
/// a bracket in it.
pub(super) fn is_bot(user: &User) -> bool {
    user.kind.as_deref().is_some_and(|kind| kind != "User") || user.login.ends_with("[bot]")
}

/// The answer is about a login; where that is somebody else's by now, it says nothing.
fn permission_of(user: &User, answer: &CollaboratorPermission) -> Permission {
    if answer.user.as_ref().is_none_or(|asked| asked.id != user.id) {
        return Permission::None;
    }
    told(answer)
}

fn told(answer: &CollaboratorPermission) -> Permission {
    let role = answer.role_name.as_deref().and_then(named);
    // A role that the organisation made has a name of its own; what it is based on stands beside it.
    role.or_else(|| named(&answer.permission))
        .unwrap_or(Permission::None)
}

fn named(word: &str) -> Option<Permission> {
    Some(match word {
        "admin" => Permission::Admin,
        "maintain" => Permission::Maintain,
        "write" => Permission::Write,
        "triage" => Permission::Triage,
        "read" => Permission::Read,
        "none" => Permission::None,
        _unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64, kind: &str) -> User {
        User {
            login: "ada".to_owned(),
            id,
            kind: Some(kind.to_owned()),
        }
    }

    fn answer(id: u64, permission: &str, role: Option<&str>) -> CollaboratorPermission {
        CollaboratorPermission {
            permission: permission.to_owned(),
            role_name: role.map(str::to_owned),
            user: Some(user(id, "User")),
        }
    }

    #[test]
    fn the_role_says_more_than_the_permission() {
        let ada = user(1, "User");
        // GitHub reports triage as `read` and maintain as `write` in the older field.
        assert_eq!(
            permission_of(&ada, &answer(1, "read", Some("triage"))),
            Permission::Triage
        );
        assert_eq!(
            permission_of(&ada, &answer(1, "write", Some("maintain"))),
            Permission::Maintain
        );
        assert_eq!(
            permission_of(&ada, &answer(1, "write", Some("release-team"))),
            Permission::Write
        );
        assert_eq!(
            permission_of(&ada, &answer(1, "root", None)),
            Permission::None
        );
    }

    #[test]
    fn a_login_that_is_somebody_elses_by_now_lends_nothing() {
        let ada = user(1, "User");
        assert_eq!(
            permission_of(&ada, &answer(2, "admin", Some("admin"))),
            Permission::None
        );
        let nobody = CollaboratorPermission {
            user: None,
            ..answer(1, "admin", Some("admin"))
        };
        assert_eq!(permission_of(&ada, &nobody), Permission::None);
    }

    #[test]
    fn whatever_is_no_user_is_a_bot() {
        assert!(!is_bot(&user(1, "User")));
        for kind in ["Bot", "Organization", "Mannequin", ""] {
            assert!(is_bot(&user(1, kind)), "{kind}");
        }
        let unnamed = |login: &str| User {
            kind: None,
            login: login.to_owned(),
            id: 1,
        };
        assert!(is_bot(&unnamed("dependabot[bot]")) && !is_bot(&unnamed("ada")));
    }
}
