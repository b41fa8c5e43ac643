"""TokenService: bearer tokens of this installation."""

from __future__ import annotations

import bridgx.v1 as pb
import grpc

from bridgx_server.interceptors.caller import current_caller, current_scope
from bridgx_server.provisioning import tokens as giving
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import tokens
from bridgx_server.store.database import Store
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.tokens import StoredToken


class TokenService(pb.TokenServiceServicer):
    def __init__(self, store: Store) -> None:
        self._store = store

    def CreateToken(self, request: pb.CreateTokenRequest, context: grpc.ServicerContext) -> pb.CreateTokenResponse:
        named = Scope.of(AccountName(account.provider, account.account_key) for account in request.accounts)
        token, stored = giving.create(
            self._store,
            current_scope(),
            name=request.name,
            role=request.role,
            wanted=EVERYTHING if request.all_accounts else named,
            lifetime=request.lifetime,
            caller=current_caller(),
        )
        return pb.CreateTokenResponse(token_id=str(stored.id), token=token, expire_at=moment(stored.expires_at))

    def ListTokens(self, request: pb.ListTokensRequest, context: grpc.ServicerContext) -> pb.ListTokensResponse:
        page = tokens.page(self._store, current_scope(), PageOf.asked(request.page_number, request.page_size))
        now = self._store.now()
        return pb.ListTokensResponse(token_list=[_token(token, now) for token in page.rows], pager=pager(page))

    def RevokeToken(self, request: pb.RevokeTokenRequest, context: grpc.ServicerContext) -> pb.RevokeTokenResponse:
        giving.revoke(self._store, current_scope(), request.token_id)
        return pb.RevokeTokenResponse(token_id=request.token_id)


def _token(token: StoredToken, now: int) -> pb.Token:
    return pb.Token(
        token_id=str(token.id),
        name=token.name,
        role=token.role,
        all_accounts=token.scope.accounts is None,
        accounts=[
            pb.TokenAccount(provider=account.provider, account_key=account.access_key)
            for account in sorted(token.scope.accounts or ())
        ],
        status=token.status(now),
        create_at=moment(token.created_at),
        create_by=token.created_by,
        expire_at=moment(token.expires_at),
        revoke_at=moment(token.revoked_at),
        last_used_at=moment(token.last_used_at),
    )
