'use strict';
'require view';

/* The page of fwknop-wrt has an address and a session of its own. This hands LuCI's over to it:
   in a form, for what is in an address ends up in histories and logs. */
return view.extend({
	render: function() {
		var page = L.env.scriptname.replace(/\/luci$/, '/fwknop');
		var form = E('form', { 'method': 'post', 'action': page + '/handover' }, [
			E('input', { 'type': 'hidden', 'name': 'sid', 'value': L.env.sessionid }),
			E('button', { 'type': 'submit', 'class': 'btn cbi-button-action important' }, _('Open'))
		]);

		/* Who comes back with the browser's button would be sent away again at once. */
		var navigation = performance.getEntriesByType('navigation')[0];
		if (!navigation || navigation.type !== 'back_forward')
			window.setTimeout(function() { form.submit(); }, 0);

		return E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, _('Firewall Knock Daemon')),
			E('p', {}, _('Opening …')),
			form
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
