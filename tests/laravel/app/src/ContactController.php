<?php

namespace App;

use Illuminate\Http\Request;
use Illuminate\Support\Facades\DB;

/** The six calls. */
class ContactController
{
    public function find(Request $request)
    {
        $wanted = $request->validate(['name' => 'required|string', 'value' => 'required|string']);
        $found = Contact::ofChannel($request->user())->having($wanted['name'], $wanted['value'])->orderBy('created_at');

        return ContactResource::collection($found->paginate(10));
    }

    public function read(Request $request, $id)
    {
        return new ContactResource(Contact::ofChannel($request->user())->findOrFail($id));
    }

    public function create(Request $request)
    {
        $contact = Contact::create([
            'id' => 'cus_'.bin2hex(random_bytes(8)),
            'channel_id' => $request->user()->id,
            'custom_fields' => $this->merge([], $this->fields($request)),
            'tags' => [],
        ]);
        DB::table('automations')->insert(['contact_id' => $contact->id]);

        return ['data' => ['id' => $contact->id]];
    }

    public function update(Request $request, $id)
    {
        $fields = $this->fields($request);
        $this->change($request, $id, function ($contact) use ($fields) {
            $contact->custom_fields = $this->merge($contact->custom_fields, $fields);
        });

        return ['data' => ['id' => $id]];
    }

    public function addTags(Request $request, $id)
    {
        $tags = $this->tags($request);
        $this->change($request, $id, function ($contact) use ($tags) {
            $contact->tags = array_values(array_unique([...$contact->tags, ...$tags]));
        });

        return ['status' => 'success', 'message' => 'Contact Tags have been added successfully.', 'data' => []];
    }

    public function removeTags(Request $request, $id)
    {
        $tags = $this->tags($request);
        $this->change($request, $id, function ($contact) use ($tags) {
            $contact->tags = array_values(array_diff($contact->tags, $tags));
        });

        return ['status' => 'success', 'message' => 'Contact Tags deleted successfully.', 'data' => []];
    }

    private function change(Request $request, $id, $change)
    {
        DB::transaction(function () use ($request, $id, $change) {
            $contact = Contact::ofChannel($request->user())->findOrFail($id);
            $change($contact);
            $contact->save();
        });
    }

    private function fields(Request $request)
    {
        $rules = [
            'custom_fields' => 'required|array|max:30',
            'custom_fields.*.name' => 'required|string|max:64',
            'custom_fields.*.value' => 'present|nullable|string|max:255',
        ];
        $typed = DB::table('rules')->pluck('rule', 'field');
        foreach ((array) $request->input('custom_fields') as $place => $field) {
            if ($rule = $typed[$field['name'] ?? ''] ?? null) {
                $rules["custom_fields.$place.value"] = "nullable|string|$rule";
            }
        }

        return $request->validate($rules)['custom_fields'];
    }

    private function tags(Request $request)
    {
        return $request->validate(['tags' => 'required|array|max:10', 'tags.*' => 'required|string|max:64'])['tags'];
    }

    /** A value of null removes its field. */
    private function merge($stored, $fields)
    {
        return collect($fields)->pluck('value', 'name')->union($stored)->reject(fn ($value) => $value === null)->all();
    }
}
