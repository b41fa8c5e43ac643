"""AccountService: cloud accounts."""

from __future__ import annotations

import bridgx.v1 as pb
import grpc

from bridgx_server.errors import NotFound
from bridgx_server.interceptors.caller import current_idempotency_key, current_identity, current_scope
from bridgx_server.providers.base import Credentials
from bridgx_server.provisioning import accounts as registering
from bridgx_server.provisioning.accounts import AccountClouds
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.once import once
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import accounts
from bridgx_server.store.paging import PageOf
from bridgx_server.store.secrets import Keyring


class AccountService(pb.AccountServiceServicer):
    def __init__(self, claims: Claims, keyring: Keyring, clouds: AccountClouds) -> None:
        self._claims = claims
        self._store = claims.store
        self._keyring = keyring
        self._clouds = clouds

    def CreateAccount(
        self, request: pb.CreateAccountRequest, context: grpc.ServicerContext
    ) -> pb.CreateAccountResponse:
        credentials = Credentials(
            request.provider, request.account_key, request.account_secret, request.project_id, request.ambient
        )
        scope = current_scope()
        account_key = once(
            self._claims,
            current_identity(),
            request.request_id or current_idempotency_key(),
            request,
            lambda attempt: registering.register(
                self._store, scope, self._keyring, self._clouds, credentials, request.account_name, attempt
            ),
        )
        try:
            shared = accounts.by_key(self._store, scope, request.provider, account_key).shared
        except NotFound:
            shared = False  # the answer of a request whose account has been deleted since
        return pb.CreateAccountResponse(account_key=account_key, cloud_account_shared=shared)

    def ListAccounts(self, request: pb.ListAccountsRequest, context: grpc.ServicerContext) -> pb.ListAccountsResponse:
        page = accounts.page(
            self._store, current_scope(), request.provider, PageOf.asked(request.page_number, request.page_size)
        )
        return pb.ListAccountsResponse(
            account_list=[
                pb.Account(
                    account_id=str(account.id),
                    account_name=account.name,
                    provider=account.provider,
                    account_key=account.access_key,
                    project_id=account.project_id,
                    create_at=moment(account.created_at),
                    create_by=account.created_by,
                    ambient=account.ambient,
                    cloud_key=account.cloud_key,
                    key_update_at=moment(account.secret_at),
                    cloud_account_id=account.cloud_account_id,
                    cloud_account_shared=account.shared,
                )
                for account in page.rows
            ],
            pager=pager(page),
        )

    def UpdateAccount(
        self, request: pb.UpdateAccountRequest, context: grpc.ServicerContext
    ) -> pb.UpdateAccountResponse:
        account = registering.update(
            self._store,
            current_scope(),
            self._keyring,
            self._clouds,
            provider=request.provider,
            access_key=request.account_key,
            name=request.account_name,
            secret=request.account_secret,
            new_key=request.new_account_key,
            ambient=request.ambient,
        )
        return pb.UpdateAccountResponse(account_key=account.access_key)

    def DeleteAccount(
        self, request: pb.DeleteAccountRequest, context: grpc.ServicerContext
    ) -> pb.DeleteAccountResponse:
        accounts.remove(self._store, current_scope(), request.provider, request.account_key)
        return pb.DeleteAccountResponse(account_key=request.account_key)
