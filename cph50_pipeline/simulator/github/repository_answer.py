"""The long answer about a repository itself, most of it addresses and counts that nobody here uses."""

from __future__ import annotations

import zlib

from starlette.responses import JSONResponse, Response

from cph50_pipeline.simulator.github.answers import JsonObject, utc_text
from cph50_pipeline.simulator.github.asked import Asked

_ADDRESSES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
    "url": "",
}
_NONE = dict.fromkeys(["description", "homepage", "language", "license", "mirror_url"])
_NOT = dict.fromkeys(["fork", "has_pages", "has_discussions", "archived", "disabled"], False)
_DONE = dict.fromkeys(["has_issues", "has_projects", "has_wiki"], True)
_NO_COUNT = dict.fromkeys(
    [
        "forks",
        "forks_count",
        "network_count",
        "open_issues",
        "open_issues_count",
        "stargazers_count",
        "subscribers_count",
        "watchers",
        "watchers_count",
    ],
    0,
)
_USER_ADDRESSES = {
    "events_url": "/events{/privacy}",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "organizations_url": "/orgs",
    "received_events_url": "/received_events",
    "repos_url": "/repos",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "url": "",
}


def repository_answer(asked: Asked) -> Response:
    """What the repository is, and what the token may do with it."""
    repository = asked.repository
    owner, _, name = repository.name.partition("/")
    writes = asked.access.may_write(repository.name, private=repository.private)
    at = utc_text(asked.now)
    answer = {
        **_NONE,
        **_NOT,
        **_DONE,
        **_NO_COUNT,
        **{field: f"{asked.answers.api}{path}" for field, path in _ADDRESSES.items()},
        **_places(asked.answers.web),
        "id": _number(repository.name),
        "node_id": f"R_{_number(repository.name)}",
        "name": name,
        "full_name": repository.name,
        "owner": _user(owner, asked.answers.api.partition("/repos/")[0]),
        "private": repository.private,
        "visibility": "private" if repository.private else "public",
        "default_branch": repository.default_branch,
        "size": 0,
        "created_at": at,
        "pushed_at": at,
        "updated_at": at,
        "permissions": {"admin": False, "push": writes, "pull": True},
    }
    return JSONResponse(answer)


def _places(web_url: str) -> JsonObject:
    return {
        "html_url": web_url,
        "clone_url": f"{web_url}.git",
        "svn_url": web_url,
        "git_url": web_url.replace("http://", "git://", 1) + ".git",
        "ssh_url": "git@" + web_url.removeprefix("http://").replace("/", ":", 1) + ".git",
    }


def _user(login: str, api_url: str) -> JsonObject:
    addresses = {field: f"{api_url}/users/{login}{path}" for field, path in _USER_ADDRESSES.items()}
    return {
        **addresses,
        "login": login,
        "id": _number(login),
        "node_id": f"U_{_number(login)}",
        "avatar_url": f"{api_url}/avatars/{login}",
        "gravatar_id": None,
        "html_url": f"{api_url.partition('/api/')[0]}/{login}",
        "site_admin": False,
        "type": "User",
    }


def _number(name: str) -> int:
    """A number that a name always has."""
    return zlib.crc32(name.encode())
