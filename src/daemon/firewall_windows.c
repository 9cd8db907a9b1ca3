#include "daemon/firewall.h"

#define COBJMACROS
#include <windows.h>

#include <initguid.h> // what follows defines its ids here

#include <netfw.h>
#include <oleauto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/wide.h"

struct firewall {
	bool started;
	INetFwPolicy2 *policy;
	INetFwRules *rules;
	BSTR name;
};

static int fail(HRESULT result, struct sl_error *error)
{
	char text[SL_WINDOWS_ERROR];

	return sl_fail(error, SL_ERR_SYSTEM, "the firewall cannot be asked: %s",
		       sl_windows_error((uint32_t)result, text));
}

static BSTR text_of(const char *text)
{
	wchar_t *wide = sl_wide(text);
	BSTR copy = wide ? SysAllocString(wide) : NULL;

	free(wide);
	return copy;
}

static void firewall_close(struct firewall *firewall)
{
	SysFreeString(firewall->name);
	if (firewall->rules)
		INetFwRules_Release(firewall->rules);
	if (firewall->policy)
		INetFwPolicy2_Release(firewall->policy);
	if (firewall->started)
		CoUninitialize();
}

static int firewall_open(struct firewall *firewall, const char *name, struct sl_error *error)
{
	HRESULT result;

	*firewall = (struct firewall){.name = text_of(name)};
	if (!firewall->name)
		return fail(E_OUTOFMEMORY, error);
	result = CoInitializeEx(NULL, COINIT_APARTMENTTHREADED);
	firewall->started = SUCCEEDED(result);
	if (SUCCEEDED(result))
		result = CoCreateInstance(&CLSID_NetFwPolicy2, NULL, CLSCTX_INPROC_SERVER, &IID_INetFwPolicy2,
					  (void **)&firewall->policy);
	if (SUCCEEDED(result))
		result = INetFwPolicy2_get_Rules(firewall->policy, &firewall->rules);
	return SUCCEEDED(result) ? SL_OK : fail(result, error);
}

static HRESULT fill(INetFwRule *rule, BSTR name, const wchar_t *program)
{
	BSTR path = SysAllocString(program);
	BSTR about = text_of("Lets datagrams of the softlan relay in");
	HRESULT result = path && about ? S_OK : E_OUTOFMEMORY;

	if (SUCCEEDED(result))
		result = INetFwRule_put_Name(rule, name);
	if (SUCCEEDED(result))
		result = INetFwRule_put_Description(rule, about);
	if (SUCCEEDED(result))
		result = INetFwRule_put_ApplicationName(rule, path);
	if (SUCCEEDED(result))
		result = INetFwRule_put_Protocol(rule, NET_FW_IP_PROTOCOL_UDP);
	if (SUCCEEDED(result))
		result = INetFwRule_put_Direction(rule, NET_FW_RULE_DIR_IN);
	if (SUCCEEDED(result))
		result = INetFwRule_put_Profiles(rule, NET_FW_PROFILE2_ALL);
	if (SUCCEEDED(result))
		result = INetFwRule_put_Action(rule, NET_FW_ACTION_ALLOW);
	if (SUCCEEDED(result))
		result = INetFwRule_put_Enabled(rule, VARIANT_TRUE);
	SysFreeString(path);
	SysFreeString(about);
	return result;
}

int firewall_allow(const char *name, const wchar_t *program, struct sl_error *error)
{
	struct firewall firewall;
	INetFwRule *rule = NULL;
	HRESULT result;
	int rc = firewall_open(&firewall, name, error);

	if (rc != SL_OK)
		goto out;
	INetFwRules_Remove(firewall.rules, firewall.name);
	result = CoCreateInstance(&CLSID_NetFwRule, NULL, CLSCTX_INPROC_SERVER, &IID_INetFwRule,
				  (void **)&rule);
	if (SUCCEEDED(result))
		result = fill(rule, firewall.name, program);
	if (SUCCEEDED(result))
		result = INetFwRules_Add(firewall.rules, rule);
	if (FAILED(result))
		rc = fail(result, error);
out:
	if (rule)
		INetFwRule_Release(rule);
	firewall_close(&firewall);
	return rc;
}

int firewall_forget(const char *name, struct sl_error *error)
{
	struct firewall firewall;
	int rc = firewall_open(&firewall, name, error);

	if (rc == SL_OK) {
		HRESULT result = INetFwRules_Remove(firewall.rules, firewall.name);
		if (FAILED(result))
			rc = fail(result, error);
	}
	firewall_close(&firewall);
	return rc;
}
